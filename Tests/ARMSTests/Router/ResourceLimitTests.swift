import Testing

@testable import ARMS

/// A small file asks for no more time and memory than FORMAT.md says.
@Suite struct ResourceLimitTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func refusal(_ model: EditedModel) throws -> ARMSError? {
    let path = try model.write(to: directory)
    return failure { try Router(path: path) }
  }

  @Test func boundsTheCandidates() throws {
    for (width, keyWidth) in [(1 << 10, 1), (1, 1 << 10)] {
      try CandidatePool.checkCount(1 << 18, embeddingWidth: width, keyWidth: keyWidth)
      let error = failure {
        try CandidatePool.checkCount(1 << 18 + 1, embeddingWidth: width, keyWidth: keyWidth)
      }
      #expect(error?.code == .limitExceeded && error?.message.contains("at most 262144") == true)
    }
  }

  /// A candidate takes few bytes in a file whose text encoder is narrow, and many in memory if the keys are wide.
  @Test func boundsTheKeysOfCandidates() throws {
    let (count, keyWidth) = (4_097, 65_536)
    let changed = ["classifier.query.", "classifier.candidate.", "candidate.", "arms.candidate."]
    let model = try EditedModel(paper) { name in !changed.contains { name.hasPrefix($0) } }
    let (inputs, width) = (
      try model.shape("classifier.query.weight")[1], try model.shape("candidate.delta")[1]
    )
    func add(_ name: String, _ shape: [Int]) {
      model.add(name, shape: shape, [Float](repeating: 0.5, count: shape.reduce(1, *)))
    }
    model.set("arms.shared_width", .uint32(UInt32(keyWidth)))
    add("classifier.query.weight", [keyWidth, inputs])
    add("classifier.query.bias", [keyWidth])
    add("classifier.candidate.weight", [keyWidth, width])
    let router = try Router(path: try model.write(to: directory))
    let candidates = (0..<count).map { router.fixed("\($0)", 0) }
    #expect(router.refusal { try $0.add(candidates) }?.code == .limitExceeded)

    model.set("arms.candidate.names", .stringArray(candidates.map(\.name)))
    model.set("arms.candidate.profiles", .stringArray(candidates.map { _ in "" }))
    model.set("arms.candidate.encoders", .stringArray(candidates.map { _ in "" }))
    for key in ["costs", "latencies"] {
      model.set("arms.candidate.\(key)", .float64Array(candidates.map { _ in 1 }))
    }
    model.set("arms.candidate.max_images", .int32Array(candidates.map { _ in 0 }))
    model.set("arms.candidate.enabled", .boolArray(candidates.map { _ in true }))
    for name in ["embedding", "delta"] { add("candidate.\(name)", [count, width]) }
    for name in ["beta", "temperature", "bias"] { add("candidate.\(name)", [count]) }
    let error = try refusal(model)
    #expect(error?.code == .invalidModel && error?.message.contains("at most 4096 are kept") == true)
  }

  /// Many blocks that read a long sequence are a small file if they are narrow.
  @Test func boundsTheWorkOfASequence() throws {
    func error(blocks: UInt32, tokens: Int) throws -> ARMSError? {
      let model = try EditedModel(paper)
      model.set("arms.text.block_count", .uint32(blocks))
      let file = try ModelFile(path: try model.write(to: directory), copy: true)
      let configuration = try TransformerConfiguration(file, prefix: "arms.text")
      return failure { try configuration.checkSequence(file, prefix: "arms.text", tokens: tokens) }
    }
    #expect(try error(blocks: 2, tokens: 16_385) == nil)
    let refused = try error(blocks: 1_024, tokens: 16_385)
    #expect(refused?.code == .invalidModel && refused?.message.contains("multiply-adds") == true)
    #expect(try error(blocks: 1_024, tokens: 512) == nil)
  }

  /// Time grows with the tensors and not with their square: that would be a minute here.
  @Test func readsManyTensorsInTime() throws {
    let count = 30_000
    var writer = GGUFWriter()
    let values: [Float] = [1]
    try values.withUnsafeBytes { bytes in
      for number in 0..<count {
        writer.add(tensor: "a.long.name.\(number)", type: .f32, shape: [1], data: bytes)
      }
      try writer.write(to: "\(directory.path)/model.gguf")
    }
    let file = try ModelFile(path: "\(directory.path)/model.gguf", copy: true)
    let reader = WeightReader(file: file, prefix: "")
    let time = try ContinuousClock().measure {
      for name in file.tensorNames + ["a.long.name.7"] { _ = try reader.vector(name, 1) }
    }
    // Several layers may read one tensor, which is one parameter.
    #expect(reader.parameters.count == count)
    #expect(time < .seconds(20))
  }
}
