import Testing

@testable import ARMS

@Suite struct HeadGradientTests {
  /// Every gradient of the head against PyTorch's.
  @Test(arguments: GradientFixture.all, [1, 2]) func agreesWithPyTorch(
    _ fixture: GradientFixture, threads: Int
  ) throws {
    let router = try fixture.fixture.router(threads: threads)
    let trainer = try Trainer(router)
    let samples = try fixture.trainingSamples(router)
    let loss = try trainer.computeGradients(samples)
    #expect(abs(loss - fixture.loss) <= 1e-5)
    #expect(Set(trainer.parameters.entries.map(\.parameter.name)) == Set(fixture.gradients.keys))
    for (name, expected) in fixture.gradients {
      let gradient = try trainer.gradient(name)
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(abs(norm - expected.norm) <= 1e-4 * expected.norm + 1e-7, "\(name)")
      #expect(
        distance(expected.places.map { gradient[$0] }, expected.values) <= 1e-4 * expected.norm + 1e-7,
        "\(name)")
    }
  }

  /// Every gradient of the head against central differences of a textbook head in double.
  @Test(arguments: GradientFixture.all.filter { !$0.model.hasPrefix("bert") }, [false, true])
  func agreesWithCentralDifferences(_ fixture: GradientFixture, isBalanced: Bool) throws {
    let router = try fixture.fixture.router()
    let trainer = try Trainer(router)
    // Without an image, and with two.
    var samples = try [0, 2].map { try fixture.trainingSamples(router)[$0] }
    var reference = try DoubleHead(trainer)
    if isBalanced {
      // Soft labels are balanced, too.
      for number in samples.indices { samples[number].outcomes[0].label = 0.75 }
      trainer.loss = .balanced(over: try trainer.trainingSet(samples).queries)
      let weights = trainer.loss.classWeights
      #expect(weights.negative != weights.positive)
      reference.classWeights = (Double(weights.negative), Double(weights.positive))
    }
    _ = try trainer.computeGradients(samples)
    var random = SplitMix64(seed: 1)
    for entry in trainer.parameters.entries {
      let name = entry.parameter.name
      let gradient = try trainer.gradient(name)
      for place in [0, gradient.count - 1, Int.random(in: gradient.indices, using: &random)] {
        let numeric = reference.slope(name, place, samples)
        #expect(abs(Double(gradient[place]) - numeric) <= 1e-3 * max(abs(numeric), 1e-4), "\(name)[\(place)]")
      }
      // All elements at once: an error of one of them shows with its full size.
      let direction = signs(gradient.count, &random)
      let (part, norm) = projection(gradient, along: direction)
      let numeric = reference.slope(name, along: direction, samples)
      #expect(abs(part - numeric) <= 1e-3 * norm + 1e-7, "\(name): \(part) for \(numeric), norm \(norm)")
    }
  }

  /// The gradients of questions and images, in one pass and in two.
  @Test(arguments: GradientFixture.all, [1, 2])
  func inputsAgreeWithCentralDifferences(_ fixture: GradientFixture, microBatchSize: Int) throws {
    let router = try fixture.fixture.router()
    var options = TrainingOptions()
    options.microBatchSize = microBatchSize
    let trainer = try Trainer(router, options: options)
    let samples = try [0, 2].map { try fixture.trainingSamples(router)[$0] }
    let (text, image) = (trainer.network.text, try #require(trainer.network.image))
    let (question, pooled, tokens) = try trainer.inputGradients(samples)
    let reference = try DoubleHead(trainer)
    func check(_ gradient: Float, _ change: (inout [EncodedSample], Float) throws -> Void) rethrows {
      // A float's step: the reference takes its inputs as floats.
      let step: Float = 0x1p-10
      var (above, below) = (samples, samples)
      try change(&above, step)
      try change(&below, -step)
      let numeric = (reference.loss(above) - reference.loss(below)) / Double(2 * step)
      #expect(abs(Double(gradient) - numeric) <= 1e-3 * max(abs(numeric), 1e-2), "\(gradient) for \(numeric)")
    }
    for place in [0, text.width - 1, text.width + 3] {
      check(question[place]) { samples, step in
        let number = place / text.width
        var embedding = samples[number].question.embedding
        embedding[place % text.width] += step
        samples[number].question = EncodedQuestion([
          .init(encoder: text, embedding: embedding, tokens: 1, totalTokens: 1)
        ])
      }
    }
    for place in [0, image.width - 1] {
      // Of two images each has half.
      check(pooled[image.width + place] / 2) { samples, step in
        let old = samples[1].images[1].encodings[0]
        var embedding = old.embedding
        embedding[place] += step
        samples[1].images[1] = EncodedImage([.init(encoder: image, embedding: embedding, tokens: old.tokens)])
      }
    }
    guard trainer.head.fusion == .patches else { return }
    let count = image.tokenCount * image.patchWidth
    for (number, place) in [(0, 5), (1, count - 1), (1, 7 * image.patchWidth)] {
      try check(tokens[number * count + place]) { samples, step in
        let old = samples[1].images[number].encodings[0]
        let buffer = try AlignedBuffer(Float.self, count: count, purpose: "tokens")
        let values = try #require(old.tokens).pointer(to: Float.self)
        buffer.pointer(to: Float.self).update(from: values, count: count)
        buffer.pointer(to: Float.self)[place] += step
        samples[1].images[number] = EncodedImage([
          .init(encoder: image, embedding: old.embedding, tokens: buffer)
        ])
      }
    }
  }

  @Test(arguments: GradientFixture.all) func twentyStepsFollowPyTorch(_ fixture: GradientFixture) throws {
    let router = try fixture.fixture.router()
    let trainer = try Trainer(router)
    let samples = try fixture.trainingSamples(router)
    for expected in fixture.losses {
      let loss = try trainer.computeGradients(samples)
      #expect(abs(loss - expected) <= 1e-3)
      try trainer.applyGradients(rate: 1e-3)
    }
  }

  /// A batch in several passes has the gradients of the batch in one.
  @Test(arguments: GradientFixture.all) func passesAccumulate(_ fixture: GradientFixture) throws {
    let router = try fixture.fixture.router()
    var options = TrainingOptions()
    let whole = try Trainer(router, options: options)
    options.microBatchSize = 2
    let parts = try Trainer(router, options: options)
    let samples = try fixture.trainingSamples(router)
    for _ in 0..<2 {
      let first = try whole.computeGradients(samples)
      let second = try parts.computeGradients(samples)
      #expect(abs(first - second) <= 1e-6)
      for entry in whole.parameters.entries {
        let name = entry.parameter.name
        #expect(distance(try whole.gradient(name), try parts.gradient(name)) <= 1e-5, "\(name)")
      }
    }
  }
}
