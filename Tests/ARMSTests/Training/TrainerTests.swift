import Glibc
import Testing

@testable import ARMS

@Suite struct TrainerTests {
  static let scopes = [
    TrainingScope.head, .text, .image, .all, TrainingScope(textLayers: 1, imageLayers: 1),
  ]

  /// The losses of a run's steps.
  static func losses(_ trainer: Trainer, _ data: DataSet) throws -> [Double] {
    var losses: [Double] = []
    try trainer.train(data) {
      losses.append($0.loss)
      return true
    }
    return losses
  }

  @Test(arguments: scopes) func learnsWhatItIsShown(_ scope: TrainingScope) throws {
    var options = TrainingData.options(scope)
    options.epochs = 40
    options.learningRate.peak = 3e-3
    let (trainer, data) = try TrainingData.trainer(options)
    let before = try trainer.evaluate(data)
    let metrics = try trainer.train(data, validation: data)
    let after = try #require(metrics.last)
    #expect(metrics.count == 40)
    #expect(try trainer.evaluate(data) == after)
    #expect(after.loss < before.loss / 2 && after.accuracy > 0.9)
    #expect(after.queries == data.count && after.outcomes == data.outcomeCount)
  }

  /// What is frozen is not among the parameters, and what is trained all changes.
  @Test(arguments: scopes) func changesWhatIsTrained(_ scope: TrainingScope) throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(scope))
    let before = Array(trainer.values)
    try trainer.train(data)
    for (name, range) in trainer.layout {
      // The key's bias and a word that no text has are not learned; alpha and the tables are.
      if name.hasSuffix("attn_k.bias") { continue }
      #expect(zip(before[range], trainer.values[range]).contains { $0 != $1 }, "\(name)")
    }
  }

  @Test(arguments: scopes) func sameSeedGivesSameBits(_ scope: TrainingScope) throws {
    let runs = try [5, 5, 6].map { (seed: UInt64) in
      var options = TrainingData.options(scope)
      options.seed = seed
      let (trainer, data) = try TrainingData.trainer(options)
      try trainer.train(data)
      return trainer.bits
    }
    #expect(runs[0] == runs[1])
    #expect(runs[0] != runs[2])
  }

  /// Neither what was kept of frozen layers before, nor that nothing may be kept, changes a bit.
  @Test(arguments: scopes) func cachesChangeNothing(_ scope: TrainingScope) throws {
    let (first, data) = try TrainingData.trainer(TrainingData.options(scope))
    try first.train(data)
    #expect(data.features.byteCount > 0)
    let (second, _) = try TrainingData.trainer(TrainingData.options(scope))
    try second.train(data)
    var options = TrainingData.options(scope)
    options.cacheBytes = 0
    let (third, fresh) = try TrainingData.trainer(options)
    try third.train(fresh)
    #expect(fresh.features.byteCount == 0)
    #expect(first.bits == second.bits && first.bits == third.bits)
  }

  /// What an older encoder made of a data set is not what a router with a newer one trains on.
  @Test(arguments: [TrainingScope.text, .image, TrainingScope(textLayers: 1)])
  func aTrainedEncoderMakesTheCacheStale(_ scope: TrainingScope) throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(scope))
    let before = try Trainer(trainer.router, options: TrainingData.options(.head))
    try before.train(data)
    let kept = data.features.byteCount
    try trainer.train(data)
    try trainer.commit()
    let runs = try [data, TrainingData.set(.named("distilbert-patches-scaled.gguf"))].map { set in
      let next = try Trainer(trainer.router, options: TrainingData.options(.head))
      try next.train(set)
      return next.bits
    }
    #expect(runs[0] == runs[1] && runs[0] != before.bits)
    // And the old is forgotten, not kept beside the new.
    #expect(data.features.byteCount == kept)
  }

  /// A file that was written anew is read anew, and one that is gone is remembered.
  @Test(arguments: [TrainingScope.head, TrainingScope(imageLayers: 1), .image])
  func aChangedFileMakesTheCacheStale(_ scope: TrainingScope) throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/image"
    func write(_ name: String) throws {
      let file = try FileReplacement(path)
      try ImageFixtures.bytes(name).withUnsafeBytes { try file.write($0) }
      try file.commit()
    }
    let (trainer, _) = try TrainingData.trainer(TrainingData.options(scope))
    let outcome = Outcome(candidate: trainer.pool.candidates[0].name, label: 1)
    func set() throws -> DataSet {
      let data = DataSet()
      try data.append([try Sample(question: "a", copying: [ImageInput(.path(path))], outcomes: [outcome])])
      return data
    }
    try write("jpeg_420.jpg")
    let data = try set()
    let first = try trainer.evaluate(data)
    try write("png_gray_8.png")
    let second = try trainer.evaluate(data)
    #expect(second != first)
    #expect(try trainer.evaluate(set()) == second)
    #expect(try trainer.evaluate(data) == second)
    unlink(path)
    #expect(try trainer.evaluate(data) == second)
    #expect(failure { try trainer.evaluate(set()) }?.code == .io)
  }

  @Test(arguments: scopes) func threadsChangeTheLossLittle(_ scope: TrainingScope) throws {
    let losses = try [1, 2].map { threads in
      var options = TrainingData.options(scope)
      options.epochs = 6
      options.threads = threads
      let (trainer, data) = try TrainingData.trainer(options)
      return try Self.losses(trainer, data)
    }
    #expect(losses[0].count == 12)
    #expect(zip(losses[0], losses[1]).allSatisfy { abs($0 - $1) <= 1e-4 })
  }

  /// Hosts that exchange gradients do what a run does, whatever it minimises and whatever was run before.
  @Test(arguments: [false, true], [0, 1.5]) func stepsByHandAreARun(isBalanced: Bool, routing: Double) throws
  {
    var options = TrainingData.options(.all)
    (options.balancesClasses, options.routingWeight) = (isBalanced, routing)
    options.epochs = 1
    options.batchSize = 6
    options.learningRate = LearningRate(peak: 1e-3)
    let (run, data) = try TrainingData.trainer(options)
    let (hand, _) = try TrainingData.trainer(options)
    var order = Array(0..<6)
    var random = SplitMix64(seed: options.seed)
    order.shuffle(using: &random)
    let losses = try Self.losses(run, data)
    let loss = try hand.computeGradients(data, at: order)
    try hand.applyGradients(rate: 1e-3)
    #expect(losses == [loss] && run.bits == hand.bits)
    #expect(hand.values.count == hand.gradients.count)
    // What a run on other data has balanced is not what these are balanced by.
    let other = DataSet()
    try other.append([data.samples[1]])
    let expected = try run.computeGradients(data, at: order)
    options.learningRate = LearningRate(peak: 0)
    let (idle, _) = try TrainingData.trainer(options)
    try idle.train(other)
    for (place, value) in run.values.enumerated() { idle.values[place] = value }
    #expect(try idle.computeGradients(data, at: order) == expected)
  }

  @Test func refusesStepsByHandOfWhatOnlyARunDoes() throws {
    for change: (inout TrainingOptions) -> Void in [
      { $0.teacherWeight = 0.5 }, { $0.startsAtBaseRates = true },
    ] {
      var options = TrainingData.options(.head)
      change(&options)
      let (trainer, data) = try TrainingData.trainer(options)
      let error = failure { try trainer.computeGradients(data, at: [0]) }
      #expect(error?.code == .unsupported && error?.message.contains("only a run") == true)
    }
  }

  /// What a run minimises does not change what is measured.
  @Test func measuresThePlainLoss() throws {
    var options = TrainingData.options(.head)
    let (plain, data) = try TrainingData.trainer(options)
    let expected = try plain.evaluate(data)
    (options.balancesClasses, options.routingWeight) = (true, 1)
    options.learningRate = LearningRate(peak: 0)
    let (trainer, _) = try TrainingData.trainer(options)
    let measured = try trainer.train(data, validation: data)
    #expect(measured.allSatisfy { $0 == expected })
    #expect(try trainer.evaluate(data) == expected)
  }

  /// Training and validation data by turns are read once, and what came before them is let go.
  @Test func keepsTheLastTwoDataSets() throws {
    let (trainer, _) = try TrainingData.trainer(TrainingData.options(.head))
    func data() throws -> DataSet { try TrainingData.set(.named("distilbert-patches-scaled.gguf")) }
    func place(_ data: DataSet) throws -> UnsafePointer<TrainingQuery>? {
      try trainer.trainingSet(data).queries.withUnsafeBufferPointer { $0.baseAddress }
    }
    var first: DataSet? = try data()
    weak let gone = first
    let second = try data()
    let places = try [#require(first), second].map(place)
    // Reading one anew makes it the last.
    #expect(try [second, #require(first), second].map(place) == [places[1], places[0], places[1]])
    first = nil
    #expect(gone != nil)
    let third = try data()
    let last = try place(third)
    #expect(gone == nil)
    #expect(try place(second) == places[1] && place(third) == last)
  }

  @Test func stopsWhenAskedAndGoesOn() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.head))
    let error = failure { try trainer.train(data) { $0.step < 3 } }
    #expect(error?.code == .cancelled)
    #expect(trainer.optimizer.step == 3)
    // Another run begins at its own first step.
    #expect(try Self.losses(trainer, data).count == 6)
    #expect(trainer.optimizer.step == 9)
  }

  @Test func oneClassOnlyTrains() throws {
    var options = TrainingData.options(.text)
    options.balancesClasses = true
    options.epochs = 20
    let (trainer, data) = try TrainingData.trainer(options)
    let positive = DataSet()
    try positive.append(
      data.samples.map { sample in
        Sample(
          question: sample.question, images: sample.images,
          outcomes: sample.outcomes.map { Outcome(candidate: $0.candidate, label: 1) })
      })
    try trainer.train(positive)
    #expect(try trainer.evaluate(positive).accuracy == 1)
  }

  @Test func refusesDataThatMakesNoSense() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.all))
    let before = trainer.bits
    func refusal(_ sample: Sample) -> ARMSError? {
      failure {
        let changed = DataSet()
        try changed.append(data.samples + [sample])
        try trainer.train(changed)
      }
    }
    let name = trainer.pool.candidates[0].name
    let image = try Sample.Image(copying: ARMSTests.image(0))
    let known = Outcome(candidate: name, label: 1)
    for (sample, code, text) in [
      (
        Sample(question: "a", outcomes: [Outcome(candidate: "nobody", label: 1)]), ARMSError.Code.notFound,
        "nobody"
      ),
      (
        Sample(question: "b", images: Array(repeating: image, count: 5), outcomes: [known]), .limitExceeded,
        "samples[6]"
      ),
      (
        Sample(
          question: "c", images: [try .init(copying: ImageInput(.path("/nowhere/image.png")))],
          outcomes: [known]), .io, "samples[6].images[0]"
      ),
    ] {
      let error = refusal(sample)
      #expect(error?.code == code && error?.message.contains(text) == true, "\(error?.message ?? "none")")
    }
    #expect(failure { try trainer.train(DataSet()) }?.code == .invalidArgument)
    #expect(failure { try trainer.evaluate(DataSet()) }?.code == .invalidArgument)
    #expect(failure { try trainer.computeGradients(data, at: [6]) }?.code == .invalidArgument)
    #expect(failure { try trainer.computeGradients(data, at: [-1]) }?.code == .invalidArgument)
    #expect(failure { try trainer.computeGradients(data, at: []) }?.code == .invalidArgument)
    #expect(failure { try trainer.applyGradients(rate: .nan) }?.code == .notFinite)
    #expect(failure { try trainer.applyGradients(rate: -1) }?.code == .invalidArgument)
    #expect(trainer.bits.count == before.count)
  }

  @Test func refusesScopesThatMakeNoSense() throws {
    let router = try TrainingData.router(.named("distilbert-patches-scaled.gguf"))
    for scope in [
      TrainingScope(textLayers: -1), TrainingScope(textLayers: 3), TrainingScope(imageLayers: 99),
      TrainingScope(imageLayers: .min),
    ] {
      var options = TrainingOptions()
      options.scope = scope
      let error = failure { try Trainer(router, options: options) }
      #expect(error?.code == .invalidArgument && error?.message.contains("_layers is ") == true)
    }
  }

  /// A candidate that came by its embedding alone has no sentence that a new encoder could embed.
  @Test func namesCandidatesThatCannotBeEmbeddedAgain() throws {
    let router = try TrainingData.router(.named("distilbert-patches-scaled.gguf"))
    try router.add([router.fixed("given", 0)])
    var options = TrainingOptions()
    options.scope = .text
    let error = failure { try Trainer(router, options: options) }
    #expect(error?.code == .invalidArgument && error?.message.contains("\"given\"") == true)
    options.scope = .image
    #expect(failure { try Trainer(router, options: options) } == nil)
  }

  @Test func refusesEncodersThatTwoRoutersShare() throws {
    let directory = try TemporaryDirectory()
    let model = try EditedModel(paper)
    try model.addSecondRouter()
    let router = try Router(path: try model.write(to: directory))
    var options = TrainingOptions()
    options.scope = .image
    let error = failure { try Trainer(router, options: options) }
    #expect(error?.code == .unsupported && error?.message.contains("image encoder") == true)
    options.scope = .head
    #expect(failure { try Trainer(router, options: options) } == nil)
  }

  /// Weights count beside one another: all of them large or small are as all of them 1, to the bounds of what is taken.
  @Test(arguments: [1e-18, 1e18] as [Float]) func learnsTheSameWhateverTheScaleOfWeights(scale: Float) throws
  {
    func trained(_ weight: Float) throws -> [Float] {
      let (trainer, _) = try TrainingData.trainer(TrainingData.options(.head))
      var samples = try TrainingData.samples(.named("distilbert-patches-scaled.gguf"))
      for index in samples.indices {
        for place in samples[index].outcomes.indices { samples[index].outcomes[place].weight = weight }
      }
      let data = DataSet()
      try data.append(samples)
      try trainer.train(data)
      return Array(trainer.values)
    }
    for (scaled, plain) in zip(try trained(scale), try trained(1)) { #expect(abs(scaled - plain) <= 1e-4) }
  }

  /// A rate that is far too high ends the run with an error, not with NaN weights.
  @Test func losesNothingToInfinity() throws {
    var options = TrainingData.options(.all)
    options.learningRate = LearningRate(peak: 1e30)
    options.epochs = 20
    let (trainer, data) = try TrainingData.trainer(options)
    #expect(failure { try trainer.train(data) }?.code == .notFinite)
    let directory = try TemporaryDirectory()
    let error = failure { try trainer.save(to: "\(directory.path)/model.gguf") }
    #expect(error != nil && directory.names.isEmpty)
  }
}
