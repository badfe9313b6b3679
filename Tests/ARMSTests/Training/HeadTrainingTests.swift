import Testing

@testable import ARMS

@Suite struct HeadTrainingTests {
  static let fixture = GradientFixture.all.first { $0.model == "distilbert-patches-scaled.gguf" }

  static func setUp(
    _ options: TrainingOptions = TrainingOptions(), threads: Int = 2
  ) throws -> (Trainer, [EncodedSample]) {
    let fixture = try #require(fixture)
    let router = try fixture.fixture.router(threads: threads)
    return (try Trainer(router, options: options), try fixture.trainingSamples(router))
  }

  static var options: TrainingOptions {
    var options = TrainingOptions()
    options.epochs = 30
    options.batchSize = 2
    options.learningRate = LearningRate(peak: 3e-3, warmup: 5, shape: .cosine)
    options.seed = 9
    return options
  }

  static func allValues(_ trainer: Trainer) -> [Float] {
    Array(UnsafeBufferPointer(start: trainer.parameters.values, count: trainer.parameters.count))
  }

  @Test func learnsWhatItIsShown() throws {
    let (trainer, samples) = try Self.setUp(Self.options)
    let before = try trainer.evaluate(samples)
    var steps: [TrainingProgress] = []
    let metrics = try trainer.train(samples, validation: samples) {
      steps.append($0)
      return true
    }
    #expect(metrics.count == 30)
    #expect(metrics.last == (try trainer.evaluate(samples)))
    let after = try #require(metrics.last)
    #expect(after.loss < before.loss / 2)
    #expect(after.accuracy == 1)
    // Of one sample both known candidates are wrong.
    #expect(after.exactMatch == 0.8)
    #expect(steps.map(\.step) == Array(1...90))
    #expect(steps.allSatisfy { $0.steps == 90 })
    #expect(steps.filter { $0.validation != nil }.map(\.step) == Array(stride(from: 3, through: 90, by: 3)))
    // The router that it was made from goes on as it was.
    let other = try Trainer(trainer.router)
    #expect(try other.evaluate(samples) == before)
  }

  @Test func sameSeedGivesSameBits() throws {
    let (first, samples) = try Self.setUp(Self.options)
    try first.train(samples)
    let (second, _) = try Self.setUp(Self.options)
    try second.train(samples)
    #expect(Self.allValues(first) == Self.allValues(second))
    var options = Self.options
    options.seed = 10
    let (third, _) = try Self.setUp(options)
    try third.train(samples)
    #expect(Self.allValues(first) != Self.allValues(third))
  }

  @Test func threadsChangeTheLossLittle() throws {
    var losses: [[Double]] = []
    for threads in [1, 2] {
      let (trainer, samples) = try Self.setUp(Self.options, threads: threads)
      var run: [Double] = []
      try trainer.train(samples) {
        run.append($0.loss)
        return true
      }
      losses.append(run)
    }
    #expect(zip(losses[0], losses[1]).allSatisfy { abs($0 - $1) <= 1e-4 })
  }

  @Test func stopsWhenAsked() throws {
    let (trainer, samples) = try Self.setUp(Self.options)
    let error = failure { try trainer.train(samples) { $0.step < 4 } }
    #expect(error?.code == .cancelled)
    #expect(trainer.optimizer.step == 4)
  }

  @Test func clipsTheNorm() throws {
    var options = Self.options
    options.weightDecay = 0
    let (free, samples) = try Self.setUp(options)
    options.clip = 1e-12
    let (clipped, _) = try Self.setUp(options)
    let start = Self.allValues(free)
    for trainer in [free, clipped] {
      _ = try trainer.computeGradients(samples)
      try trainer.applyGradients(rate: 1e-3)
    }
    // Far below AdamW's epsilon the step shrinks with the gradient.
    #expect(distance(Self.allValues(free), start) > 5e-4)
    #expect(distance(Self.allValues(clipped), start) < 1e-5)
  }

  @Test func decaysMatricesOnly() throws {
    let (trainer, samples) = try Self.setUp()
    _ = try trainer.computeGradients(samples)
    trainer.gradients.update(repeating: 0)
    let before = try trainer.values("expert.0.ffn_up.weight")
    let kept = [
      "expert.0.ffn_up.bias", "expert.0.ln.weight", "classifier.alpha", "candidate.beta", "no_image.tokens",
    ]
    let keptBefore = try kept.map { try trainer.values($0) }
    try trainer.applyGradients(rate: 0.1)
    #expect(distance(try trainer.values("expert.0.ffn_up.weight"), before.map { $0 * 0.999 }) <= 1e-6)
    #expect(try kept.map { try trainer.values($0) } == keptBefore)
  }

  @Test func balancesClasses() throws {
    let (trainer, samples) = try Self.setUp()
    let balanced = OutcomeLoss.balanced(over: try trainer.trainingSet(samples).queries)
    var weights: [Float: Double] = [:]
    for sample in samples {
      for outcome in sample.outcomes {
        weights[outcome.label, default: 0] += Double(balanced.weight(of: outcome))
      }
    }
    #expect(abs(weights[0, default: 0] - weights[1, default: 1]) <= 1e-5)
    let positive = samples.map { sample in
      var sample = sample
      sample.outcomes = sample.outcomes.map { EncodedOutcome(candidate: $0.candidate, label: 1) }
      return sample
    }
    #expect(OutcomeLoss.balanced(over: try trainer.trainingSet(positive).queries).classWeights == (1, 1))
  }

  @Test func oneClassOnlyTrains() throws {
    let (trainer, samples) = try Self.setUp(Self.options)
    let positive = samples.map { sample in
      var sample = sample
      sample.outcomes = sample.outcomes.map { EncodedOutcome(candidate: $0.candidate, label: 1) }
      return sample
    }
    try trainer.train(positive)
    #expect(try trainer.evaluate(positive).accuracy == 1)
  }

  @Test func scheduleRisesAndFalls() {
    let constant = LearningRate(peak: 2, warmup: 4)
    #expect((0..<6).map { constant.rate(step: $0, of: 6) } == [0.5, 1, 1.5, 2, 2, 2])
    let cosine = LearningRate(peak: 2, warmup: 2, shape: .cosine)
    #expect(cosine.rate(step: 2, of: 6) == 2)
    #expect(abs(cosine.rate(step: 4, of: 6) - 1) <= 1e-12)
    #expect(abs(cosine.rate(step: 6, of: 6)) <= 1e-12)
  }

  @Test func refusesOptionsThatMakeNoSense() throws {
    for change: (inout TrainingOptions) -> Void in [
      { $0.epochs = 0 }, { $0.batchSize = 0 }, { $0.microBatchSize = -1 }, { $0.learningRate.peak = .nan },
      { $0.weightDecay = -1 }, { $0.clip = .infinity }, { $0.learningRate.warmup = -1 },
    ] {
      var options = TrainingOptions()
      change(&options)
      #expect(failure { _ = try Self.setUp(options) }?.code == .invalidArgument)
    }
  }

  @Test func refusesARouterWithoutCandidates() throws {
    let router = try Router(path: ModelFixture.named("bert-concat-paper.gguf").path)
    #expect(failure { try Trainer(router) }?.code == .noCandidates)
    #expect(failure { try Trainer(router, number: 1) }?.code == .invalidArgument)
  }

  @Test func gradientsThatAreNotFiniteChangeNothing() throws {
    let (trainer, samples) = try Self.setUp()
    _ = try trainer.computeGradients(samples)
    let before = Self.allValues(trainer)
    trainer.gradients[0] = .nan
    #expect(failure { try trainer.applyGradients(rate: 1) }?.code == .notFinite)
    #expect(Self.allValues(trainer) == before)
  }

  /// int8 and bf16 files are trained as what they decode to; the float file's gradients are near.
  @Test(arguments: ["distilbert-patches-scaled-int8.gguf", "distilbert-patches-scaled-bf16.gguf"])
  func trainsFilesOfEveryType(_ model: String) throws {
    let fixture = try #require(Self.fixture)
    let (reference, _) = try Self.setUp()
    let router = try ModelFixture.named(model).router()
    let trainer = try Trainer(router)
    for entry in reference.parameters.entries {
      let name = entry.parameter.name
      let (values, expected) = (try trainer.values(name), try reference.values(name))
      let largest = expected.reduce(0) { max($0, abs($1)) }
      #expect(distance(values, expected) <= largest / 127, "\(name)")
    }
    let samples = try fixture.trainingSamples(router)
    let loss = try trainer.computeGradients(samples)
    #expect(abs(loss - fixture.loss) <= 0.05)
  }
}
