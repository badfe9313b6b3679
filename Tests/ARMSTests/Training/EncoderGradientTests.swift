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
    _ parameters: ParameterSet, _ body: (_ name: String, _ place: Int, _ gradient: Float) throws -> Void
  ) rethrows {
    var random = SplitMix64(seed: 2)
    for entry in parameters.entries {
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

  @Test(arguments: models, [1, 2]) func textAgreesWithCentralDifferences(_ model: String, threads: Int) throws
  {
    let fixture = ModelFixture.named(model)
    let trainer = try TextEncoderTrainer(try fixture.router(threads: threads))
    let texts = [fixture.questions[0].tokens, fixture.questions[3].tokens]
    try trainer.computeGradients(texts) { pooled, gradient in
      for (number, question) in [0, 3].enumerated() {
        let vector = Array(UnsafeBufferPointer(start: pooled + number * trainer.width, count: trainer.width))
        #expect(distance(vector, fixture.questions[question].embedding) <= 1e-4)
      }
      for place in 0..<2 * trainer.width { gradient[place] = pattern(place) }
    }
    var reference = DoubleEncoder(trainer.parameters, prefix: "t", blocks: trainer.encoder.blocks)
    Self.forEachPlace(trainer.parameters) { name, place, gradient in
      let numeric = reference.slope(name, place) { reference in
        loss(texts.flatMap { reference.encode($0, trainer.encoder) })
      }
      #expect(Self.isClose(gradient, numeric), "\(name)[\(place)]: \(gradient) for \(numeric)")
    }
  }

  @Test(arguments: models) func imageAgreesWithCentralDifferences(_ model: String) throws {
    let fixture = ModelFixture.named(model)
    let trainer = try ImageEncoderTrainer(try fixture.router())
    let pixels = ModelFixture.pixels(0) + ModelFixture.pixels(1)
    let (pooledCount, tokenFloats) = (2 * trainer.width, 2 * trainer.tokenCount * trainer.patchWidth)
    try pixels.withUnsafeBufferPointer { pixels in
      try trainer.computeGradients(pixels) { encoded in
        for image in 0..<2 {
          let vector = Array(
            UnsafeBufferPointer(start: encoded.pooled + image * trainer.width, count: trainer.width))
          #expect(distance(vector, fixture.images[image].embedding) <= 1e-4)
        }
        for place in 0..<pooledCount { encoded.pooledGradient[place] = pattern(place) }
        for place in 0..<tokenFloats { encoded.tokenGradient[place] = pattern(pooledCount + place) }
      }
    }
    var reference = DoubleEncoder(trainer.parameters, prefix: "v", blocks: trainer.encoder.blocks)
    Self.forEachPlace(trainer.parameters) { name, place, gradient in
      let numeric = reference.slope(name, place) { reference in
        let images = (0..<2).map {
          reference.encode(pixels[$0 * pixels.count / 2..<($0 + 1) * pixels.count / 2], trainer.encoder)
        }
        return loss(images.flatMap(\.pooled))
          + loss(images.flatMap { $0.tokens.flatMap { $0 } }, from: pooledCount)
      }
      #expect(Self.isClose(gradient, numeric), "\(name)[\(place)]: \(gradient) for \(numeric)")
    }
  }

  @Test func batchesAccumulate() throws {
    let fixture = ModelFixture.named(Self.models[0])
    let router = try fixture.router()
    let (whole, parts) = (try TextEncoderTrainer(router), try TextEncoderTrainer(router))
    let texts = fixture.questions.map(\.tokens)
    func gradient(of texts: Int) -> (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void {
      { _, gradient in for place in 0..<texts * whole.width { gradient[place] = pattern(place % whole.width) }
      }
    }
    // Twice: the second call must not see the first.
    for _ in 0..<2 {
      try whole.computeGradients(texts, from: gradient(of: texts.count))
      for (number, text) in texts.enumerated() {
        try parts.computeGradients([text], accumulates: number > 0, from: gradient(of: 1))
      }
      let all = UnsafeBufferPointer(start: whole.gradients, count: whole.gradientCount)
      let summed = UnsafeBufferPointer(start: parts.gradients, count: parts.gradientCount)
      #expect(distance(Array(all), Array(summed)) <= 1e-4)
    }
  }

  @Test func refusesWhatIsNoBatch() throws {
    let router = try ModelFixture.named(Self.models[0]).router()
    let text = try TextEncoderTrainer(router)
    let image = try ImageEncoderTrainer(router)
    func refusal(_ texts: [[Int32]]) -> ARMSError.Code? {
      failure { try text.computeGradients(texts) { _, _ in } }?.code
    }
    #expect(refusal([]) == .invalidArgument)
    #expect(refusal([[]]) == .limitExceeded)
    #expect(refusal([[Int32](repeating: 5, count: 21)]) == .limitExceeded)
    #expect(refusal([[2, -1]]) == .invalidArgument)
    #expect(refusal([[2, 30_000]]) == .invalidArgument)
    for count in [0, 1, 3 * 32 * 32 + 1] {
      let error = [Float](repeating: 0, count: count).withUnsafeBufferPointer { pixels in
        failure { try image.computeGradients(pixels) { _ in } }
      }
      #expect(error?.code == .invalidArgument)
    }
    #expect(failure { try TextEncoderTrainer(router, number: 1) }?.code == .invalidArgument)
    #expect(failure { try ImageEncoderTrainer(router, number: -1) }?.code == .invalidArgument)
  }
}
