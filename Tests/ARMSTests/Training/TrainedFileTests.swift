import Testing

@testable import ARMS

@Suite struct TrainedFileTests {
  /// A head that was not trained, saved in another type, has the bytes that the Python converter wrote.
  @Test(arguments: [
    ("distilbert-patches-scaled", WeightType.int8), ("distilbert-patches-scaled", .bf16),
    ("bert-patches-paper", .int8),
  ])
  func matchesTheConverter(_ name: String, _ type: WeightType) throws {
    let directory = try TemporaryDirectory()
    let trainer = try Trainer(try ModelFixture.named("\(name).gguf").router())
    let path = "\(directory.path)/saved.gguf"
    try trainer.save(to: path, type: type)
    let saved = try ModelFile(path: path, copy: true)
    let expected = try ModelFile(path: ModelFixture.named("\(name)-\(type).gguf").path, copy: true)
    let names = expected.tensorNames.filter { !$0.hasPrefix("t.") && !$0.hasPrefix("v.") }
    #expect(names.count > 20)
    for name in names {
      let (left, right) = (try #require(saved.tensor(name), "\(name)"), try #require(expected.tensor(name)))
      #expect(left.type == right.type && left.shape == right.shape, "\(name)")
      // The bf16 file has the embeddings that its rounded text encoder makes.
      #expect(left.data.elementsEqual(right.data) || name == "candidate.embedding", "\(name)")
    }
    #expect(
      Set(saved.tensorNames.filter { !$0.hasPrefix("t.") && !$0.hasPrefix("v.") }) == Set(names))
  }

  /// A file saved in its own type without training holds the same tensors.
  @Test(arguments: ModelFixture.all.filter { $0.candidates_in_file })
  func keepsWhatWasNotTrained(_ fixture: ModelFixture) throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/saved.gguf"
    try Trainer(try fixture.router()).save(to: path)
    let (saved, original) = (
      try ModelFile(path: path, copy: true), try ModelFile(path: fixture.path, copy: true)
    )
    #expect(Set(saved.tensorNames) == Set(original.tensorNames))
    #expect(Set(saved.keys) == Set(original.keys))
    for name in original.tensorNames {
      let (left, right) = (try #require(saved.tensor(name)), try #require(original.tensor(name)))
      #expect(
        left.type == right.type && left.shape == right.shape && left.data.elementsEqual(right.data), "\(name)"
      )
    }
  }

  /// What was trained is what the saved router computes.
  @Test(arguments: WeightType.allCases)
  func routesAsItWasTrained(_ type: WeightType) throws {
    let (trainer, samples) = try HeadTrainingTests.setUp(HeadTrainingTests.options)
    let untrained = try trainer.router.score([query(samples[2])])
    try trainer.train(samples)
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/saved.gguf"
    try trainer.save(to: path, type: type)
    let router = try Router(path: path)
    let again = try Trainer(router)
    let (before, after) = (try trainer.evaluate(samples), try again.evaluate(samples))
    #expect(abs(before.loss - after.loss) <= (type == .f32 ? 0 : type == .f16 ? 1e-3 : 0.05))
    let trained = try router.score([query(samples[2])])
    #expect(distance(trained, untrained) > 0.1)
    #expect(trained[0] > 0.5 && trained[2] < 0.5)
  }

  @Test func refusesWhatATypeCannotHold() throws {
    let (trainer, _) = try HeadTrainingTests.setUp()
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/saved.gguf"
    let entry = try #require(trainer.parameters["expert.0.ffn_up.weight"])
    trainer.parameters.values[entry.offset + 3] = 1e5
    #expect(failure { try trainer.save(to: path, type: .f16) }?.code == .unsupported)
    trainer.parameters.values[entry.offset + 3] = .greatestFiniteMagnitude
    #expect(failure { try trainer.save(to: path, type: .bf16) }?.code == .unsupported)
    trainer.parameters.values[entry.offset + 3] = .nan
    #expect(failure { try trainer.save(to: path) }?.code == .notFinite)
    #expect(directory.names.isEmpty)
  }

  @Test func roundsToHalf() {
    for bits in UInt16(0)..<0x7C00 {
      let exponent = Int(bits >> 10)
      let fraction = Float(bits & 1023)
      let value =
        exponent == 0
        ? fraction * 0x1p-24
        : (1 + fraction / 1024) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
      #expect(SmallFloat.half(value) == bits)
      #expect(SmallFloat.half(-value) == bits | 0x8000)
    }
    // Halfway between two, and beside it.
    #expect(SmallFloat.half(1 + 0x1p-11) == 0x3C00)
    #expect(SmallFloat.half(1 + 3 * 0x1p-11) == 0x3C02)
    #expect(SmallFloat.half((1 + 0x1p-11).nextUp) == 0x3C01)
    #expect(SmallFloat.half(0x1p-25) == 0)
    #expect(SmallFloat.half(65_519) == 0x7BFF)
    #expect(SmallFloat.half(65_520) == nil)
    #expect(SmallFloat.half(.nan) == nil)
    #expect(SmallFloat.bfloat16(.infinity) == nil)
  }

  private func query(_ sample: EncodedSample) -> Query {
    Query(.encoded(sample.question), images: sample.images.map { .encoded($0) })
  }
}

extension Router {
  /// The confidences of one query.
  func score(_ queries: [Query]) throws -> [Float] {
    var scores: [Float] = []
    let columns = candidateCount
    scores = [Float](repeating: 0, count: queries.count * columns)
    try scores.withUnsafeMutableBufferPointer { buffer in
      let start = buffer.baseAddress
      try score(queries) { (_) throws(ARMSError) in start }
    }
    return scores
  }

  private var candidateCount: Int { snapshots.load().count }
}
