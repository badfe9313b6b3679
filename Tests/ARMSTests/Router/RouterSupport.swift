import Glibc
import Testing

@testable import ARMS

/// The model most tests route with.
let paper = ModelFixture.named("bert-patches-paper.gguf")

/// Prepared images that tests may use for as long as they run: `number` is that of `ModelFixture.pixels`.
func image(_ number: Int) -> ImageInput { ImageInput(.prepared(PreparedImages.all[number])) }

private enum PreparedImages {
  nonisolated(unsafe) static let all = (0..<8).map { number in
    let pixels = UnsafeMutableBufferPointer<Float>.allocate(capacity: 3 * 32 * 32)
    _ = pixels.initialize(from: ModelFixture.pixels(number))
    return UnsafeBufferPointer(pixels)
  }
}

extension ModelFixture {
  /// The router without candidates.
  func emptyRouter(threads: Int = 2) throws -> Router {
    let router = try router(threads: threads)
    try router.remove(router.candidates.map(\.name))
    return router
  }
}

extension Router {
  /// A candidate whose confidence is `sigmoid(bias)`, whatever is asked: its temperature makes nothing of the logit.
  func fixed(
    _ name: String, _ bias: Float, cost: Double? = nil, latency: Double? = nil, maxImages: Int? = nil,
    isEnabled: Bool = true, router: Int = 0
  ) -> Candidate {
    Candidate(
      name: name, profile: "", embedding: [Float](repeating: 1, count: description.textWidth), cost: cost,
      latency: latency, temperature: 1e30, bias: bias, maxImages: maxImages, isEnabled: isEnabled,
      router: router)
  }

  /// The error of `body`, after which the candidates must be as they were.
  func refusal(_ body: (Router) throws -> Void) -> ARMSError? {
    let before = listing
    let error = failure { try body(self) }
    let after = listing
    #expect(before.generation == after.generation && before.candidates == after.candidates)
    return error
  }

  /// The scores of queries, a row each.
  func scores(
    _ queries: [Query], candidates: [String]? = nil, output: ScoreOutput = .confidence
  ) throws -> [[Float]] {
    var width = 0
    var buffer: UnsafeMutableBufferPointer<Float>?
    defer { buffer?.deallocate() }
    try score(queries, candidates: candidates, output: output) { columns in
      width = columns
      buffer = .allocate(capacity: max(1, queries.count * columns))
      return buffer?.baseAddress
    }
    let values = try #require(buffer)
    return queries.indices.map { Array(values[$0 * width..<($0 + 1) * width]) }
  }
}

/// `1 / (1 + exp(-x))`
func sigmoid(_ x: Float) -> Float { 1 / (1 + expf(-x)) }

/// Whether two decisions are the same, bit for bit.
func same(_ left: Decision, _ right: Decision) -> Bool {
  func bits(_ decision: Decision) -> [UInt32] {
    let values = decision.gate + decision.secondGate + [decision.confidence, decision.utility]
    return (values + decision.ranked.flatMap { [$0.confidence, $0.logit, $0.utility] }).map(\.bitPattern)
  }
  return left.name == right.name && left.ranked.map(\.name) == right.ranked.map(\.name)
    && left.ranked.map(\.router) == right.ranked.map(\.router) && bits(left) == bits(right)
    && left.rankedCount == right.rankedCount && left.questionTokens == right.questionTokens
    && left.questionTokensTotal == right.questionTokensTotal
}

/// A fixture's model file with changes.
final class EditedModel {
  private let source: ModelFile
  private var writer = GGUFWriter()
  private var kept: [UnsafeMutableRawBufferPointer] = []

  /// The keys and tensors of `fixture` whose names `isKept` wants.
  init(_ fixture: ModelFixture, keeping isKept: (String) -> Bool = { _ in true }) throws {
    source = try ModelFile(path: fixture.path, copy: false)
    writer.add(source, where: isKept)
  }

  deinit { for bytes in kept { bytes.deallocate() } }

  func set(_ key: String, _ value: GGUFValue) { writer.set(key, value) }

  /// Adds a tensor of floats, or of any other plain type.
  func add<T: BitwiseCopyable>(_ name: String, _ type: TensorType = .f32, shape: [Int], _ values: [T]) {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: values.count * MemoryLayout<T>.stride, alignment: 64)
    values.withUnsafeBytes { bytes.copyMemory(from: $0) }
    kept.append(bytes)
    writer.add(tensor: name, type: type, shape: shape, data: UnsafeRawBufferPointer(bytes))
  }

  /// The floats of a tensor of the fixture.
  func floats(_ name: String) throws -> [Float] { elements(try #require(source.tensor(name)), Float.self) }

  /// The shape of a tensor of the fixture.
  func shape(_ name: String) throws -> [Int] { try #require(source.tensor(name)).shape }

  /// Adds the head as a second router's, which shares the encoders. Its gate prefers the last expert.
  func addSecondRouter() throws {
    let headKeys = [
      "fusion", "head", "logit_", "shared_width", "layer_norm", "cosine_", "gate.", "expert.", "max_images",
    ]
    for key in source.keys {
      let name = key.dropFirst("arms.".count)
      if headKeys.contains(where: { name.hasPrefix($0) }), let value = source.value(key) {
        set("arms.second.\(name)", .stored(value))
      }
    }
    let headTensors = ["gate.weight", "no_image", "image_index", "expert.", "classifier."]
    for name in source.tensorNames where headTensors.contains(where: { name.hasPrefix($0) }) {
      let tensor = try #require(source.tensor(name))
      writer.add(tensor: "second.\(name)", type: tensor.type, shape: tensor.shape, data: tensor.data)
    }
    var bias = try floats("gate.bias")
    bias[bias.count - 1] += 1
    add("second.gate.bias", shape: [bias.count], bias)
  }

  /// Gives the second router encoders of its own: the first's under another name.
  func addSecondEncoders() throws {
    let prefixes = ["arms.text.", "arms.tokenizer.", "arms.vision."]
    for key in source.keys where prefixes.contains(where: { key.hasPrefix($0) }) {
      if let value = source.value(key) { set("arms.second.\(key.dropFirst("arms.".count))", .stored(value)) }
    }
    set("arms.second.text.hash", .string("another text encoder"))
    set("arms.second.vision.hash", .string("another image encoder"))
    for name in source.tensorNames where name.hasPrefix("t.") || name.hasPrefix("v.") {
      let tensor = try #require(source.tensor(name))
      writer.add(tensor: "second.\(name)", type: tensor.type, shape: tensor.shape, data: tensor.data)
    }
  }

  /// Writes the file into `directory`, and answers its path.
  func write(to directory: TemporaryDirectory, _ name: String = "model.gguf") throws -> String {
    try writer.write(to: "\(directory.path)/\(name)")
    return "\(directory.path)/\(name)"
  }
}
