import Testing

@testable import ARMS

/// A router that was trained with adapters, its base, and the adapter in a file.
private struct Adapted {
  let directory: TemporaryDirectory
  let trainer: Trainer
  let queries: [Query]
  var path: String { "\(directory.path)/adapter.gguf" }
  /// The base, as another process opens it.
  let base: Router

  init(_ model: String = "distilbert-patches-scaled.gguf", _ options: TrainingOptions = adapterOptions())
    throws
  {
    directory = try TemporaryDirectory()
    let (trainer, data) = try TrainingData.trainer(options, model: model)
    self.trainer = trainer
    queries = try data.samples.map { Query(question: $0.question, images: $0.images.map(\.input)) }
    try trainer.train(data)
    base = try ModelFixture.named(model).router()
    try trainer.saveAdapter(to: path)
  }

  /// The adapter with changes, in another file: the first of two tensors or keys of one name counts.
  func edited(_ change: (inout Edit) throws -> Void) throws -> String {
    let file = try ModelFile(path: path, copy: true)
    var edit = Edit(file: file)
    try change(&edit)
    let dropped = edit.dropped
    edit.writer.add(file) { !dropped.contains($0) }
    for (key, value) in edit.keys { edit.writer.set(key, value) }
    let path = "\(directory.path)/edited.gguf"
    try withExtendedLifetime(edit.kept) { try edit.writer.write(to: path) }
    return path
  }

  struct Edit {
    let file: ModelFile
    var writer = GGUFWriter()
    var dropped: Set<String> = []
    var keys: [(String, GGUFValue)] = []
    var kept: [AlignedBuffer] = []

    init(file: ModelFile) { self.file = file }

    func shape(_ name: String) throws -> [Int] { try #require(file.tensor(name)).shape }

    mutating func replace(_ name: String, as type: TensorType = .f32, _ shape: [Int], filling value: Float)
      throws
    {
      let count = shape.reduce(1, *)
      let buffer = try AlignedBuffer(Float.self, count: count, purpose: "a tensor")
      buffer.pointer(to: Float.self).update(repeating: value, count: count)
      kept.append(buffer)
      dropped.insert(name)
      let bytes = UnsafeRawBufferPointer(start: buffer.start, count: try #require(type.size(of: shape)))
      writer.add(tensor: name, type: type, shape: shape, data: bytes)
    }
  }
}

@Suite struct AdapterFileTests {
  static let models = [
    "distilbert-patches-scaled.gguf", "distilbert-patches-scaled-bf16.gguf",
    "distilbert-patches-scaled-int8.gguf",
  ]

  /// The base with the adapter, what the trainer commits, and the merged file, saved by either, answer alike.
  @Test(arguments: models, AdapterTrainingTests.scopes)
  func reproducesTheTrainedRouter(_ model: String, _ scope: TrainingScope) throws {
    let adapted = try Adapted(model, adapterOptions(scope))
    let before = try adapted.trainer.router.score(adapted.queries)
    try adapted.trainer.commit()
    let expected = try adapted.trainer.router.score(adapted.queries)
    #expect(distance(expected, before) > 1e-3)

    let generation = adapted.base.listing.generation
    #expect(try adapted.base.applyAdapter(from: adapted.path) == generation + 1)
    #expect(try adapted.base.score(adapted.queries) == expected)
    #expect(adapted.base.candidates == adapted.trainer.router.candidates)

    let merged = "\(adapted.directory.path)/merged.gguf"
    let saved = "\(adapted.directory.path)/saved.gguf"
    try adapted.base.save(to: merged)
    try adapted.trainer.save(to: saved)
    #expect(try Router(path: merged).score(adapted.queries) == expected)
    let files = try [merged, saved].map { try ModelFile(path: $0, copy: true) }
    #expect(
      Set(files[0].keys) == Set(files[1].keys) && Set(files[0].tensorNames) == Set(files[1].tensorNames))
    for name in files[0].tensorNames {
      let (left, right) = (try #require(files[0].tensor(name)), try #require(files[1].tensor(name)))
      #expect(left.type == right.type && left.data.elementsEqual(right.data), "\(name)")
    }
    for name in files[0].keys {
      #expect(files[0].value(name)?.payload.elementsEqual(files[1].value(name)!.payload) == true, "\(name)")
    }
  }

  /// What holds no head of an own is as small as the rank: here the adapters of two towers.
  @Test func isSmall() throws {
    let adapted = try Adapted("distilbert-patches-scaled.gguf", adapterOptions(rank: 1))
    let file = try ModelFile(path: adapted.path, copy: true)
    #expect(try file.string("general.architecture") == "arms")
    #expect(try file.string("general.type") == "adapter" && file.string("adapter.type") == "lora")
    #expect(try file.float("adapter.lora.alpha") == 3)
    let adapters = file.tensorNames.filter { $0.contains(".lora_") }
    #expect(adapters.count == 2 * adapted.trainer.adapted!.adapted.count)
    let bytes = file.tensorNames.filter { $0.hasPrefix("t.") || $0.hasPrefix("v.") }.reduce(0) {
      $0 + (file.tensor($1)?.data.count ?? 0)
    }
    let base = adapted.base.file
    let whole = base.tensorNames.filter { $0.hasPrefix("t.") || $0.hasPrefix("v.") }.reduce(0) {
      $0 + (base.tensor($1)?.data.count ?? 0)
    }
    #expect(bytes * 10 < whole)
  }

  @Test func keepsPresentCandidatesIfAsked() throws {
    let adapted = try Adapted()
    let names = adapted.trainer.router.candidates.map(\.name)
    var first = adapted.base.candidates[0]
    first.cost = 7
    try adapted.base.update([first])
    try adapted.base.add([Candidate(name: "late", profile: "It came late.")])
    let present = adapted.base.candidates.map(\.name)
    try adapted.base.applyAdapter(from: adapted.path, candidates: .present)
    #expect(adapted.base.candidates.map(\.name) == present && adapted.base.candidates[0].cost == 7)
    // As if the file's own had come: those that were trained.
    try adapted.base.reload(from: ModelFixture.named("distilbert-patches-scaled.gguf").path)
    try adapted.base.applyAdapter(from: adapted.path)
    #expect(adapted.base.candidates.map(\.name) == names)
  }

  @Test func trainsAndAppliesForTheSecondRouter() throws {
    let directory = try TemporaryDirectory()
    let model = try EditedModel(paper)
    try model.addSecondRouter()
    try model.addSecondEncoders()
    let path = try model.write(to: directory)
    let (router, base) = (try Router(path: path), try Router(path: path))
    try router.add([Candidate(name: "second", profile: "Another one.", router: 1)])
    let data = DataSet()
    try data.append(
      (0..<4).map { number in
        Sample(
          question: "question \(number)", images: try (0..<number % 2).map { try .init(copying: image($0)) },
          outcomes: [Outcome(candidate: "second", label: Float(number % 2))])
      })
    let trainer = try Trainer(router, number: 1, options: adapterOptions())
    try trainer.train(data)
    let adapter = "\(directory.path)/adapter.gguf"
    try trainer.saveAdapter(to: adapter)
    try trainer.commit()
    try base.applyAdapter(from: adapter)
    #expect(try base.file.string("arms.second.training.record").contains("\"router\":1"))
    let queries = try data.samples.map { Query(question: $0.question, images: $0.images.map(\.input)) }
    #expect(try base.score(queries) == router.score(queries))
    #expect(base.candidates == router.candidates)
    // A candidate of the first router must not come a second time.
    let other = try Router(path: path)
    try other.add([Candidate(name: "second", profile: "Mine.")])
    let error = other.refusal { try $0.applyAdapter(from: adapter) }
    #expect(error?.code == .invalidModel && error?.message.contains("unique") == true)
  }

  @Test func refusesOtherBases() throws {
    let adapted = try Adapted()
    for model in [
      "distilbert-patches-scaled-int8.gguf", "distilbert-pooled-paper.gguf", "bert-patches-paper.gguf",
    ] {
      let other = try ModelFixture.named(model).router()
      let error = other.refusal { try $0.applyAdapter(from: adapted.path) }
      #expect(error?.code == .invalidArgument && error?.message.contains("another router") == true)
    }
    // Once is enough: the merged weights are others.
    try adapted.base.applyAdapter(from: adapted.path)
    #expect(adapted.base.refusal { try $0.applyAdapter(from: adapted.path) }?.code == .invalidArgument)
  }

  /// A base is its weights: not the file that they lie in, nor the candidates.
  @Test func knowsItsBaseInAnyFile() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.head))
    try trainer.train(data)
    try trainer.commit()
    let directory = try TemporaryDirectory()
    let (path, adapter) = ("\(directory.path)/base.gguf", "\(directory.path)/adapter.gguf")
    let second = try Trainer(trainer.router, options: adapterOptions())
    try second.train(data)
    try second.saveAdapter(to: adapter)
    try trainer.router.remove([trainer.router.candidates[0].name])
    try trainer.router.save(to: path)
    let base = try Router(path: path)
    try base.applyAdapter(from: adapter)
    try second.commit()
    #expect(base.candidates.count == second.pool.count)
    try base.remove([base.candidates[0].name])
    let queries = try data.samples.map { Query(question: $0.question, images: $0.images.map(\.input)) }
    #expect(try base.score(queries) == trainer.router.score(queries))
  }

  @Test func refusesFilesOfAnotherKind() throws {
    let adapted = try Adapted()
    let error = failure { try Router(path: adapted.path) }
    #expect(error?.code == .unsupported && error?.message.contains("is an adapter") == true)
    let model = ModelFixture.named("distilbert-patches-scaled.gguf").path
    #expect(adapted.base.refusal { try $0.applyAdapter(from: model) }?.code == .unsupported)
    #expect(adapted.base.refusal { try $0.applyAdapter(from: "\(adapted.path).none") }?.code == .io)
    let checkpoint = "\(adapted.directory.path)/run.ckpt"
    try adapted.trainer.saveCheckpoint(to: checkpoint)
    #expect(adapted.base.refusal { try $0.applyAdapter(from: checkpoint) }?.code == .unsupported)
    let plain = try Trainer(adapted.base)
    #expect(failure { try plain.saveAdapter(to: checkpoint) }?.code == .invalidArgument)
    #expect(adapted.base.refusal { try $0.reload(from: adapted.path) }?.code == .unsupported)
  }

  /// Each wrong in one way.
  @Test(arguments: ["distilbert-patches-scaled.gguf", "distilbert-patches-scaled-int8.gguf"])
  func refusesWhatDoesNotFit(_ model: String) throws {
    let adapted = try Adapted(model)
    func refused(
      _ text: String, as code: ARMSError.Code = .invalidModel, _ change: (inout Adapted.Edit) throws -> Void
    ) throws {
      let path = try adapted.edited(change)
      let error = adapted.base.refusal { try $0.applyAdapter(from: path) }
      #expect(
        error?.code == code && error?.message.contains(text) == true, "\(text): \(error?.message ?? "taken")")
    }
    let weight = "t.blk.0.attn_q.weight"
    let (a, b) = LowRankAdapter.names(of: weight)
    let width = adapted.trainer.text.encoder.width
    try refused(b) { try $0.replace(b, [width, 3], filling: 0) }
    try refused(b) { try $0.replace(b, [2, width], filling: 0) }
    try refused(b) { $0.dropped.insert(b) }
    try refused(b) { $0.dropped.insert(a) }
    try refused(a) { try $0.replace(a, [2, width + 1], filling: 0) }
    try refused(a) { try $0.replace(a, [width + 1, width], filling: 0) }
    try refused(a) { try $0.replace(a, [2 * width], filling: 0) }
    try refused(a) { try $0.replace(a, as: .f16, [2, width], filling: 0) }
    try refused(a) { try $0.replace(a, as: .i32, [2, width], filling: 0) }
    try refused("nan") { try $0.replace(a, [2, width], filling: .nan) }
    try refused("inf") { try $0.replace(b, [width, 2], filling: -.infinity) }
    try refused(weight) {
      try $0.replace(a, [2, width], filling: 1e30)
      try $0.replace(b, [width, 2], filling: 1e30)
    }
    for name in [
      "t.embd_norm.weight.lora_a", "t.blk.9.attn_q.weight.lora_a", "t.blk.0.attn_q.weight", "other",
      "candidate.other", "gate.weight.scale", "gate.bias.colsum", "second.candidate.delta",
    ] {
      try refused(name) { try $0.replace(name, [2, width], filling: 0) }
    }
    try refused("gate.bias") { try $0.replace("gate.bias", [99], filling: 0) }
    try refused("gate.bias") {
      try $0.replace(
        "gate.bias", [try #require(adapted.base.file.tensor("gate.bias")).shape[0]], filling: .nan)
    }
    let query = "classifier.query.weight"
    try refused(query) { try $0.replace(query, as: .f16, $0.shape(query), filling: 0) }
    try refused("candidate.delta") { try $0.replace("candidate.delta", [1], filling: 0) }
    try refused("gate.bias") { $0.dropped.insert("gate.bias") }
    for key in [
      "arms.candidate.other", "arms.second.training.record", "general.name", "adapter.type2",
      "adapter.lora.alphas", "arms.adapter.note", "arms.format_versions",
    ] {
      try refused(key) { $0.keys.append((key, .string("1"))) }
    }
    try refused("candidate.names") { $0.dropped.insert("arms.candidate.names") }
    try refused("arms.fusion") { $0.keys.append(("arms.fusion", .string("concat"))) }
    try refused("arms.text.block_count") { $0.keys.append(("arms.text.block_count", .uint32(1))) }
    try refused("arms.text.hash") { $0.dropped.insert("arms.text.hash") }
    try refused("arms.text.hash") { $0.keys.append(("arms.text.hash", .string(""))) }
    try refused("adapter.lora.alpha") { $0.keys.append(("adapter.lora.alpha", .float32(.nan))) }
    try refused("adapter.lora.alpha") { $0.keys.append(("adapter.lora.alpha", .float32(-1))) }
    try refused("adapter.lora.alpha") { $0.dropped.insert("adapter.lora.alpha") }
    try refused("arms.adapter.router") { $0.keys.append(("arms.adapter.router", .uint32(1))) }
    try refused("another router", as: .invalidArgument) { $0.keys.append(("arms.adapter.base", .string(""))) }
    try refused("is no adapter", as: .unsupported) { $0.keys.append(("adapter.type", .string("control"))) }
    // As it was, it is taken.
    let path = try adapted.edited { _ in }
    try adapted.base.applyAdapter(from: path)
  }

  /// Some cuts, which are refused, and some changed bytes: a file that is refused leaves the router as it was, and one
  /// that is taken, as other numbers, makes a router that answers.
  @Test func refusesSomeDamagedFilesAndSurvivesTheOthers() throws {
    let adapted = try Adapted()
    let bytes = try contents(adapted.path)
    var random = SplitMix64(seed: 4)
    for length in [1, 3, 24, 100, bytes.count / 2, bytes.count - 64] {
      let path = try adapted.directory.file("damaged", Array(bytes[..<length]))
      let error = adapted.base.refusal { try $0.applyAdapter(from: path) }
      #expect(error?.code == .invalidModel, "cut at \(length)")
    }
    var taken = 0
    for _ in 0..<60 {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      var changed = bytes
      changed[place] ^= UInt8.random(in: 1...255, using: &random)
      let path = try adapted.directory.file("damaged", changed)
      let router = try ModelFixture.named("distilbert-patches-scaled.gguf").router()
      let (generation, before) = (router.listing.generation, router.candidates)
      if failure({ try router.applyAdapter(from: path) }) == nil {
        taken += 1
        #expect(router.listing.generation == generation + 1, "byte \(place)")
        #expect(try router.score(adapted.queries).allSatisfy(\.isFinite), "byte \(place)")
      } else {
        #expect(router.listing.generation == generation && router.candidates == before, "byte \(place)")
      }
    }
    #expect(taken > 0 && taken < 60)
  }

  /// Routing goes on, and a trainer of the weights of before cannot commit over the adapter's.
  @Test func isAReplacement() throws {
    let adapted = try Adapted()
    let trainer = try Trainer(adapted.base)
    try adapted.base.applyAdapter(from: adapted.path)
    #expect(failure { try trainer.commit() }?.code == .conflict)
    let again = try Trainer(adapted.base, options: adapterOptions())
    try again.saveAdapter(to: "\(adapted.directory.path)/second.gguf")
    try adapted.base.applyAdapter(from: "\(adapted.directory.path)/second.gguf")
  }
}
