import CKernels
import Testing

@testable import ARMS

extension TransformerBlock {
  /// Whether the feed-forward's activation is quick GELU, not GELU.
  var usesQuickGELU: Bool { activation == CK_QUICK_GELU }
}

/// A gradient that differs from place to place.
private func pattern(_ place: Int) -> Float { Float((place * 7 + 3) % 11) / 11 - 0.45 }

/// What the pattern makes of values: a loss whose gradient is the pattern.
private func loss(_ values: [Double], from start: Int = 0) -> Double {
  values.indices.reduce(0) { $0 + values[$1] * Double(pattern(start + $1)) }
}

@Suite struct EncoderGradientTests {
  static let models = ["distilbert-patches-scaled.gguf", "bert-patches-paper.gguf"]

  /// Places of every parameter at which the gradient is checked.
  static func forEachPlace(
    _ parameters: ParameterSet, prefix: String = "",
    _ body: (_ name: String, _ place: Int, _ gradient: Float) throws -> Void
  ) rethrows {
    var random = SplitMix64(seed: 2)
    for entry in parameters.entries where entry.parameter.name.hasPrefix(prefix) {
      let (name, count) = (entry.parameter.name, entry.parameter.count)
      let gradient = parameters.gradients + entry.offset
      var places = [Int.random(in: 0..<count, using: &random)]
      // Of a table few rows have a gradient at all.
      if let place = (0..<count).first(where: { gradient[$0] != 0 }) { places.append(place) }
      for place in places { try body(name, place, gradient[place]) }
    }
  }

  static func isClose(_ gradient: Float, _ numeric: Double) -> Bool {
    abs(Double(gradient) - numeric) <= 1e-3 * max(abs(numeric), 1e-2)
  }

  /// A trainer of one whole encoder.
  static func trainer(_ model: String, _ scope: TrainingScope, threads: Int = 2) throws -> Trainer {
    var options = TrainingOptions()
    options.scope = scope
    return try Trainer(try ModelFixture.named(model).router(threads: threads), options: options)
  }

  @Test(arguments: models, [1, 2]) func textAgreesWithCentralDifferences(_ model: String, threads: Int) throws
  {
    let fixture = ModelFixture.named(model)
    let trainer = try Self.trainer(model, .text, threads: threads)
    let texts = [fixture.questions[0].tokens, fixture.questions[3].tokens]
    let width = trainer.text.encoder.width
    try trainer.textGradients(texts) { pooled, gradient in
      for (number, question) in [0, 3].enumerated() {
        let vector = Array(UnsafeBufferPointer(start: pooled + number * width, count: width))
        #expect(distance(vector, fixture.questions[question].embedding) <= 1e-4)
      }
      for place in 0..<2 * width { gradient[place] = pattern(place) }
    }
    var reference = DoubleEncoder(trainer.parameters, prefix: "t", blocks: trainer.text.encoder.blocks)
    Self.forEachPlace(trainer.parameters, prefix: "t.") { name, place, gradient in
      let numeric = reference.slope(name, place) { reference in
        loss(texts.flatMap { reference.encode($0, trainer.text.encoder) })
      }
      #expect(Self.isClose(gradient, numeric), "\(name)[\(place)]: \(gradient) for \(numeric)")
    }
  }

  @Test(arguments: models) func imageAgreesWithCentralDifferences(_ model: String) throws {
    let fixture = ModelFixture.named(model)
    let trainer = try Self.trainer(model, .image)
    let encoder = try trainer.imageEncoder()
    let (pooledCount, tokenFloats) = (2 * encoder.width, 2 * encoder.tokenCount * encoder.patchWidth)
    try trainer.imageGradients([0, 1]) { values, gradients in
      for image in 0..<2 {
        let vector = Array(
          UnsafeBufferPointer(start: values.pooled + image * encoder.width, count: encoder.width))
        #expect(distance(vector, fixture.images[image].embedding) <= 1e-4)
      }
      for place in 0..<pooledCount { gradients.pooled[place] = pattern(place) }
      for place in 0..<tokenFloats { gradients.tokens[place] = pattern(pooledCount + place) }
    }
    var reference = DoubleEncoder(trainer.parameters, prefix: "v", blocks: encoder.blocks)
    let patches = (0..<2).map { DoubleEncoder.patches(of: ModelFixture.pixels($0), encoder) }
    Self.forEachPlace(trainer.parameters, prefix: "v.") { name, place, gradient in
      let numeric = reference.slope(name, place) { reference in
        let images = patches.map { reference.encode($0, encoder) }
        let tokens = images.flatMap { $0.tokens.flatMap { $0 } }
        return loss(images.flatMap(\.pooled)) + loss(tokens, from: pooledCount)
      }
      #expect(Self.isClose(gradient, numeric), "\(name)[\(place)]: \(gradient) for \(numeric)")
    }
  }

  @Test func batchesAccumulate() throws {
    let fixture = ModelFixture.named(Self.models[0])
    let (whole, parts) = (try Self.trainer(Self.models[0], .text), try Self.trainer(Self.models[0], .text))
    let (texts, width) = (fixture.questions.map(\.tokens), whole.text.encoder.width)
    func gradient(of texts: Int) -> (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void {
      { _, gradient in for place in 0..<texts * width { gradient[place] = pattern(place % width) } }
    }
    // Twice: the second call must not see the first.
    for _ in 0..<2 {
      try whole.textGradients(texts, from: gradient(of: texts.count))
      for (number, text) in texts.enumerated() {
        try parts.textGradients([text], accumulates: number > 0, from: gradient(of: 1))
      }
      #expect(distance(Array(whole.gradients), Array(parts.gradients)) <= 1e-4)
    }
  }
}

extension Trainer {
  /// Encodes texts, asks `body` for the gradient of the pooled vectors, and computes those of the weights.
  func textGradients(
    _ texts: [[Int32]], accumulates: Bool = false,
    from body: (_ pooled: UnsafePointer<Float>, _ gradient: UnsafeMutablePointer<Float>) -> Void
  ) throws {
    let sources = texts.map { TrainingText(tokens: $0, label: "") }
    try engine.execute { (execution) throws(ARMSError) in
      let pass = try encode(sources, cache: FeatureCache(), on: execution)
      let gradient = try execution.arena.allocate(Float.self, texts.count * text.encoder.width)
      body(pass.pooled, gradient)
      guard let kept = pass.kept else { return }
      try text.encoder.backward(
        kept: kept, dy: gradient, into: Gradients(of: parameters, accumulates: accumulates), on: execution)
    }
  }

  /// Encodes the fixture's images, asks `body` for the gradients of vectors and tokens, and computes those of the
  /// weights.
  func imageGradients(
    _ numbers: [Int],
    from body: (
      _ values: (pooled: UnsafePointer<Float>, tokens: UnsafePointer<Float>),
      _ gradients: (pooled: UnsafeMutablePointer<Float>, tokens: UnsafeMutablePointer<Float>)
    ) -> Void
  ) throws {
    let images = try numbers.map { try Sample.Image(copying: ARMSTests.image($0)) }
    let query = TrainingQuery(number: 0, question: [], images: images, outcomes: [])
    let encoder = try imageEncoder()
    try engine.execute { (execution) throws(ARMSError) in
      let pass = try encodeImages(of: [query], cache: FeatureCache(), on: execution)
      let pooled = try execution.arena.allocate(Float.self, pass.count * encoder.width)
      let tokens = try execution.arena.allocate(
        Float.self, pass.count * encoder.tokenCount * encoder.patchWidth)
      guard let kept = pass.kept, let values = pass.trainedTokens else { return }
      body((pass.pooled[0], UnsafePointer(values)), (pooled, tokens))
      try encoder.backward(
        kept: kept, tokens: values, pooledGradient: pooled, tokenGradient: tokens,
        into: Gradients(of: parameters, accumulates: false), on: execution)
      extendLifetime(pass)
    }
  }
}
