import Testing

@testable import ARMS

/// Options of a few quick steps on low-rank adapters.
func adapterOptions(
  _ scope: TrainingScope = .all, rank: Int = 2, alpha: Double = 3,
  targets: AdapterOptions.Targets = .all
) -> TrainingOptions {
  var options = TrainingData.options(scope)
  options.adapters = AdapterOptions(rank: rank, alpha: alpha, targets: targets)
  return options
}

/// What training with low-rank adapters computes and changes.
@Suite struct AdapterTrainingTests {
  static let models = [
    "distilbert-patches-scaled.gguf", "bert-patches-paper.gguf", "bert-pooled-scaled.gguf",
  ]
  static let scopes = [
    TrainingScope.all, .text, TrainingScope(imageLayers: 1), TrainingScope(textLayers: 1, imageLayers: .max),
  ]

  /// Gives every B values, so that A has gradients and a merged weight is another than its base.
  private func fill(_ trainer: Trainer) {
    var random = SplitMix64(seed: 9)
    for entry in trainer.parameters.entries where entry.parameter.name.hasSuffix(".lora_b") {
      for place in 0..<entry.parameter.count {
        trainer.parameters.values[entry.offset + place] = 0.2 * random.nextSigned()
      }
    }
  }

  /// The reference computes `W x + s B (A x)`, the trainer `(W + s B A) x`.
  @Test(arguments: models) func agreesWithCentralDifferences(_ model: String) throws {
    var options = adapterOptions()
    options.microBatchSize = 2
    let (trainer, data) = try TrainingData.trainer(options, model: model)
    fill(trainer)
    let set = try trainer.trainingSet(data)
    let loss = try trainer.computeGradients(data, at: [0, 1, 2])
    let reference = try DoubleRouter(trainer, Array(set.queries[..<3]), pixels: [[], [1], [2, 3]])
    #expect(abs(loss - reference.loss()) <= 1e-5)
    let turn = try #require(Self.models.firstIndex(of: model))
    var checked = 0
    var random = SplitMix64(seed: 1)
    for (number, entry) in trainer.parameters.entries.enumerated() {
      let name = entry.parameter.name
      // The reference is slow: each model has its turn with a part of the encoders' adapters.
      if name.contains(".lora_"), number / 2 % 3 != turn { continue }
      let gradient = try trainer.gradient(name)
      // All elements at once: an error of one of them shows with its full size.
      let direction = signs(gradient.count, &random)
      let (part, norm) = projection(gradient, along: direction)
      let numeric = reference.slope(name, along: direction)
      #expect(abs(part - numeric) <= 1e-3 * norm + 1e-7, "\(name): \(part) for \(numeric), norm \(norm)")
      if name.contains(".lora_") { checked += norm > 0 ? 1 : 0 }
    }
    #expect(checked >= 8)
  }

  /// With B of zeros the weights are the file's, to the bit, and so is what the router says.
  @Test(arguments: ["distilbert-patches-scaled.gguf", "distilbert-patches-scaled-int8.gguf"])
  func beginsAsItsBase(_ model: String) throws {
    let (trainer, _) = try TrainingData.trainer(adapterOptions(), model: model)
    let adapted = try #require(trainer.adapted)
    try adapted.merge(on: trainer.engine)
    #expect(
      adapted.adapted.count == 6
        * (trainer.text.encoder.blocks.count + (try trainer.imageEncoder()).blocks.count))
    for (weight, adapter, values) in adapted.adapted {
      #expect(ParameterTests.values(weight) == (0..<weight.count).map { values[$0] }, "\(weight.name)")
      #expect((0..<adapter.rank * weight.columns).contains { adapter.a[$0] != 0 })
      #expect((0..<adapter.rank * weight.rows).allSatisfy { adapter.b[$0] == 0 })
    }
  }

  @Test(arguments: scopes, ["distilbert-patches-scaled.gguf", "distilbert-patches-scaled-int8.gguf"])
  func learnsAndLeavesTheBase(_ scope: TrainingScope, _ model: String) throws {
    var options = adapterOptions(scope)
    options.epochs = 40
    options.learningRate.peak = 3e-3
    let (trainer, data) = try TrainingData.trainer(options, model: model)
    let before = try trainer.evaluate(data)
    let metrics = try trainer.train(data, validation: data)
    let after = try #require(metrics.last)
    #expect(after.loss < before.loss / 2 && after.accuracy > 0.9)
    // Of the encoders only adapters are trained.
    let names = trainer.layout.map(\.name)
    #expect(names.contains("gate.weight") && names.contains("candidate.delta"))
    for name in names where name.hasPrefix("t.") || name.hasPrefix("v.") { #expect(name.contains(".lora_")) }
    let directory = try TemporaryDirectory()
    try trainer.save(to: "\(directory.path)/merged.gguf")
    let saved = try ModelFile(path: "\(directory.path)/merged.gguf", copy: true)
    let base = trainer.base.model.file
    let adapted = Set(try #require(trainer.adapted).adapted.map(\.weight.name))
    #expect(Set(saved.tensorNames) == Set(base.tensorNames))
    for name in base.tensorNames where name.hasPrefix("t.") || name.hasPrefix("v.") {
      let (left, right) = (try #require(saved.tensor(name)), try #require(base.tensor(name)))
      let isAdapted = adapted.contains { name.hasPrefix($0) }
      #expect(left.type == right.type && left.shape == right.shape, "\(name)")
      if !isAdapted { #expect(left.data.elementsEqual(right.data), "\(name)") }
      if adapted.contains(name) { #expect(!left.data.elementsEqual(right.data), "\(name)") }
    }
    let record = try saved.string("arms.training.record")
    #expect(record.contains("\"adapters\":{\"rank\":2,\"alpha\":3.0,\"targets\":63}"))
  }

  /// Layers without an adapter stay, and their inputs' gradients go through them: the other adapters learn as they
  /// would beside adapters that do not change.
  @Test(arguments: ["distilbert-patches-scaled.gguf", "distilbert-patches-scaled-int8.gguf"])
  func adaptsWhatIsAsked(_ model: String) throws {
    let (all, data) = try TrainingData.trainer(adapterOptions(), model: model)
    let (some, _) = try TrainingData.trainer(adapterOptions(targets: [.query, .value]), model: model)
    let names = some.layout.map(\.name).filter { $0.contains(".lora_") }
    #expect(names.allSatisfy { $0.contains(".attn_q.") || $0.contains(".attn_v.") })
    #expect(names.count * 3 == all.layout.count { $0.name.contains(".lora_") })
    for name in names {
      let (from, to) = (try #require(all.parameters[name]), try #require(some.parameters[name]))
      (some.parameters.values + to.offset).update(
        from: all.parameters.values + from.offset, count: to.parameter.count)
    }
    let losses = try [all, some].map { try $0.computeGradients(data, at: [0, 1, 2, 4]) }
    #expect(losses[0] == losses[1])
    for name in names { #expect(try all.gradient(name) == some.gradient(name), "\(name)") }
  }

  @Test func sameSeedGivesSameBits() throws {
    let runs = try [5, 5, 6].map { (seed: UInt64) in
      var options = adapterOptions()
      options.seed = seed
      let (trainer, data) = try TrainingData.trainer(options)
      let start = trainer.bits
      try trainer.train(data)
      return (start, trainer.bits)
    }
    #expect(runs[0] == runs[1])
    #expect(runs[0].0 != runs[2].0 && runs[0].1 != runs[2].1)
  }

  @Test(arguments: [1, 3, 5]) func goesOnToTheSameBits(step: Int) throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/run.ckpt"
    let (whole, data) = try TrainingData.trainer(adapterOptions())
    let expected = try whole.train(data, validation: data)
    let (first, firstData) = try TrainingData.trainer(adapterOptions())
    let error = failure {
      try first.train(firstData, validation: firstData, checkpoint: Checkpointing(path: path)) {
        $0.step < step
      }
    }
    #expect(error?.code == .cancelled)
    let (second, secondData) = try TrainingData.trainer(adapterOptions())
    try second.resume(from: path)
    #expect(try second.train(secondData, validation: secondData) == expected)
    #expect(second.bits == whole.bits)
    for other in [adapterOptions(alpha: 4), adapterOptions(rank: 3), TrainingData.options(.all)] {
      let (trainer, _) = try TrainingData.trainer(other)
      #expect(failure { try trainer.resume(from: path) }?.code == .invalidArgument)
    }
  }

  /// What is trained, with its moments, is as small as the rank says.
  @Test func hasFewParameters() throws {
    let (full, _) = try TrainingData.trainer(TrainingData.options(.all))
    let (small, _) = try TrainingData.trainer(adapterOptions(rank: 1))
    func encoders(_ trainer: Trainer) -> Int {
      trainer.layout.filter { $0.name.hasPrefix("t.") || $0.name.hasPrefix("v.") }.reduce(0) {
        $0 + $1.range.count
      }
    }
    #expect(encoders(small) * 10 < encoders(full))
  }

  /// Query, key and value read one input: all are int8, or none.
  @Test(arguments: ["distilbert-patches-scaled.gguf", "distilbert-patches-scaled-int8.gguf"])
  func savesDividedAttentionInItsType(_ model: String) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/saved.gguf"
    let other: WeightType = model.contains("int8") ? .f32 : .int8
    let (trainer, data) = try TrainingData.trainer(adapterOptions(targets: [.query, .value]), model: model)
    try trainer.train(data)
    let error = failure { try trainer.save(to: path, type: other) }
    #expect(error?.code == .invalidArgument && error?.message.contains("attn_") == true)
    try trainer.save(to: path)
    _ = try Router(path: path)
    for targets in [[.query, .key, .value], [.output, .up]] as [AdapterOptions.Targets] {
      let (trainer, _) = try TrainingData.trainer(adapterOptions(targets: targets), model: model)
      try trainer.save(to: path, type: other)
      _ = try Router(path: path)
    }
  }

  /// Quantised again there is no smoothing, and the layers that are not would still have it.
  @Test func refusesToDivideWhatIsSmoothed() throws {
    let directory = try TemporaryDirectory()
    let edited = try EditedModel(.named("distilbert-patches-scaled-int8.gguf"))
    for layer in ["q", "k", "v"] {
      edited.add("t.blk.1.attn_\(layer).weight.smooth", shape: [32], [Float](repeating: 0.5, count: 32))
    }
    let router = try Router(path: edited.write(to: directory, "smooth.gguf"))
    try router.add([Candidate(name: "x", profile: "A model.")])
    let error = failure { try Trainer(router, options: adapterOptions(.text, targets: [.query, .value])) }
    #expect(error?.code == .invalidArgument && error?.message.contains("smoothing") == true)
    try Trainer(router, options: adapterOptions(.text, targets: [.query, .key, .value])).commit()
    try Trainer(router, options: adapterOptions(.text, targets: [.output, .up])).commit()
  }

  @Test func refusesOptionsThatMakeNoSense() throws {
    let router = try TrainingData.router(.named("distilbert-patches-scaled.gguf"))
    for (options, text) in [
      (adapterOptions(.head), "text_layers or image_layers"), (adapterOptions(rank: 0), "lora_rank is 0"),
      (adapterOptions(rank: -1), "rank"), (adapterOptions(rank: 60_000), "at most"),
      (adapterOptions(rank: .max), "rank"), (adapterOptions(alpha: -1), "alpha"),
      (adapterOptions(alpha: .nan), "alpha"), (adapterOptions(alpha: 1e300), "alpha"),
      (adapterOptions(targets: []), "targets"), (adapterOptions(targets: .init(rawValue: 65)), "targets"),
    ] {
      let error = failure { try Trainer(router, options: options) }
      #expect(
        error?.code == .invalidArgument && error?.message.contains(text) == true, "\(error?.message ?? text)")
    }
  }
}
