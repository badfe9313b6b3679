import Testing

@testable import ARMS

@Suite struct HeadGradientTests {
  /// Every gradient of the head against PyTorch's.
  @Test(arguments: GradientFixture.all, [1, 2]) func agreesWithPyTorch(
    _ fixture: GradientFixture, threads: Int
  ) throws {
    let router = try fixture.fixture.router(threads: threads)
    let trainer = try HeadTrainer(router)
    let samples = try fixture.trainingSamples(router)
    try trainer.validate(samples)
    let loss = try trainer.computeGradients(samples, at: samples.places)
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
  @Test(arguments: GradientFixture.all.filter { !$0.model.hasPrefix("bert") })
  func agreesWithCentralDifferences(_ fixture: GradientFixture) throws {
    let router = try fixture.fixture.router()
    let trainer = try HeadTrainer(router)
    // Without an image, and with two.
    let samples = try [0, 2].map { try fixture.trainingSamples(router)[$0] }
    _ = try trainer.computeGradients(samples, at: samples.places)
    var reference = try DoubleHead(trainer)
    var random = SplitMix64(seed: 1)
    for entry in trainer.parameters.entries {
      let name = entry.parameter.name
      let gradient = try trainer.gradient(name)
      for place in [0, gradient.count - 1, Int.random(in: gradient.indices, using: &random)] {
        let numeric = reference.slope(name, place, samples)
        #expect(abs(Double(gradient[place]) - numeric) <= 1e-3 * max(abs(numeric), 1e-4), "\(name)[\(place)]")
      }
    }
  }

  @Test(arguments: GradientFixture.all) func twentyStepsFollowPyTorch(_ fixture: GradientFixture) throws {
    let router = try fixture.fixture.router()
    let trainer = try HeadTrainer(router)
    let samples = try fixture.trainingSamples(router)
    for expected in fixture.losses {
      let loss = try trainer.computeGradients(samples, at: samples.places)
      #expect(abs(loss - expected) <= 1e-3)
      try trainer.applyGradients(rate: 1e-3)
    }
  }

  /// A batch in several passes has the gradients of the batch in one.
  @Test(arguments: GradientFixture.all) func passesAccumulate(_ fixture: GradientFixture) throws {
    let router = try fixture.fixture.router()
    var options = HeadTrainingOptions()
    let whole = try HeadTrainer(router, options: options)
    options.samplesPerPass = 2
    let parts = try HeadTrainer(router, options: options)
    let samples = try fixture.trainingSamples(router)
    for _ in 0..<2 {
      let first = try whole.computeGradients(samples, at: samples.places)
      let second = try parts.computeGradients(samples, at: samples.places)
      #expect(abs(first - second) <= 1e-6)
      for entry in whole.parameters.entries {
        let name = entry.parameter.name
        #expect(distance(try whole.gradient(name), try parts.gradient(name)) <= 1e-5, "\(name)")
      }
    }
  }
}

extension [TrainingSample] {
  /// The places of all samples.
  var places: ArraySlice<Int> { Array<Int>(indices)[...] }
}
