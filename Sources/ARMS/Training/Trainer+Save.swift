extension Trainer {
  /// Writes the whole router with what was trained as a model file.
  ///
  /// What is frozen and, in a cascade, the other router stay as they are in the router's file; the candidates are those
  /// that the trainer was made with. `type` is that of the trained matrices; nil: as in the router's file. What is int8
  /// there is quantised anew, without the smoothing that it may have had. A trained encoder gets a new name
  /// (`arms.text.hash`, `arms.vision.hash`), and a trained text encoder embeds every profile anew. The key
  /// `arms.training.record`, of a second router `arms.second.training.record`, says how the weights came about. The
  /// file at `path` is replaced in one step when all bytes are on disk, or left as it is.
  ///
  /// Throws `invalidArgument` for a type that adapters of only some of query, key and value cannot have; `notFinite`,
  /// `unsupported`, `invalidModel`, `io`, `outOfMemory`.
  public func save(to path: String, type: WeightType? = nil) throws(ARMSError) {
    let trained = try TrainedModel(self, type: type, copying: false)
    var writer = trained.writer
    for (number, pool) in trained.snapshot.pools.enumerated() { pool.write(to: &writer, number: number) }
    // The writer holds pointers into all of these.
    try withExtendedLifetime((trained, self)) { () throws(ARMSError) in try writer.write(to: path) }
  }

  /// Makes what was trained the router's weights, in one step: calls in flight finish on the old ones.
  ///
  /// The router's present candidates stay, with their settings and calibration; one that was added since the trainer was
  /// made is embedded by the new encoder. What is learned of the others is the trainer's: a fit that was made since the
  /// trainer was is forgotten, fit again. Training can go on, and be committed again.
  /// Returns the router's new generation. Memory for the trained weights is taken anew.
  ///
  /// Throws `conflict` if another commit or replacement came before this one, `invalidArgument` if a candidate that was
  /// added cannot be kept; `notFinite`, `unsupported`, `invalidModel`, `outOfMemory`. The router is then as it was.
  @discardableResult
  public func commit() throws(ARMSError) -> UInt64 {
    try commit(try TrainedModel(self, type: nil, copying: true))
  }

  /// As ``commit()``, of weights that may have been measured before.
  func commit(_ trained: TrainedModel) throws(ARMSError) -> UInt64 {
    let generation = try router.replace(.fromReplacement) { () throws(ARMSError) in
      try successor(of: router.snapshots.load(), with: trained)
    }
    present = trained.snapshot.model
    committed = trained.snapshot.pools[number]
    return generation
  }

  /// What a commit makes of the router's snapshot `current`, whose candidates stay.
  func successor(
    of current: RouterSnapshot, with trained: TrainedModel
  ) throws(ARMSError) -> RouterSnapshot {
    guard current.model === present else {
      throw ARMSError(
        .conflict,
        "the router's weights were replaced after this trainer was made; make a new trainer to train those")
    }
    let model = trained.snapshot.model
    var pools = current.pools
    pools[number] = try model.networks[number].adopt(
      pools[number], learned: trained.snapshot.pools[number], trainedOn: committed, on: engine)
    return RouterSnapshot(generation: current.generation, model: model, pools: pools)
  }
}

/// A router after training.
struct TrainedModel {
  /// Everything but the candidates.
  let writer: GGUFWriter
  let snapshot: RouterSnapshot
  /// The keys of the trained encoders' new names.
  let encoderKeys: [String]

  /// With `copying` it shares no memory with the trainer, which may train on; without, the trainer has to outlive it.
  init(_ trainer: Trainer, type: WeightType?, copying: Bool) throws(ARMSError) {
    let file = trainer.base.model.file
    if let type { try trainer.checkAdapted(type) }
    try trainer.adapted?.merge(on: trainer.engine)
    let trained = trainer.trainedTensors
    var writer = GGUFWriter()
    writer.add(file, replacing: trained.map(\.parameter.name))
    let tensors = ParameterWriter(copying: copying)
    for (parameter, values) in trained {
      try tensors.add(parameter, values, as: type ?? file.weightType(of: parameter.name), to: &writer)
    }
    let hashes = try trainer.encoderHashes()
    for (key, hash) in hashes { writer.set(key, .string(hash)) }
    encoderKeys = hashes.map(\.key)
    writer.set(RouterPrefix(router: trainer.number).recordKey, .string(try trainer.record().text))
    let model = try RouterModel(try writer.modelFile(file.path))
    let pools = try trainer.trainedPools(model.networks[trainer.number])
    snapshot = RouterSnapshot(generation: 1, model: model, pools: pools)
    self.writer = writer
  }
}

extension GGUFWriter {
  /// Adds everything of `file` but the candidates and the tensors named, with what belongs to these in int8.
  mutating func add(_ file: ModelFile, replacing names: [String]) {
    var replaced: Set<String> = []
    for name in names { replaced.formUnion([name, "\(name).scale", "\(name).colsum", "\(name).smooth"]) }
    add(file) { !replaced.contains($0) && !RouterPrefix.isOfCandidates($0) }
  }
}

extension ModelFile {
  /// The type in which the matrix of that name is stored.
  func weightType(of name: String) -> WeightType { tensor(name).map { WeightType($0.type) } ?? .f32 }
}

extension Trainer {
  /// The tensors of a model file that training changes, but for the candidates', with their values.
  fileprivate var trainedTensors: [(parameter: Parameter, values: UnsafePointer<Float>)] {
    let merged = adapted?.adapted.map { ($0.weight, UnsafePointer($0.values)) } ?? []
    // The last two are the candidates', which their pool writes.
    return merged
      + parameters.entries.dropLast(2).compactMap { entry in
        if case .adapter = entry.parameter.source { return nil }
        return (entry.parameter, UnsafePointer(parameters.values + entry.offset))
      }
  }

  /// Throws `invalidArgument` if layers that read one input would be int8 and float.
  fileprivate func checkAdapted(_ type: WeightType) throws(ARMSError) {
    guard let adapters = options.adapters, adapters.targets.dividesAttention, let adapted else { return }
    for (weight, _, _) in adapted.adapted where AdapterOptions.Targets.reading.contain(weight.name) {
      let isInt8 = base.model.file.weightType(of: weight.name) == .int8
      guard isInt8 != (type == .int8) else { continue }
      throw ARMSError(
        .invalidArgument,
        "\(quoted(weight.name)) cannot be saved as \(type): its block's query, key and value have adapters in part, and "
          + "would be int8 and float; save with the type unchanged, or train adapters of all three")
    }
  }

  /// The new names of the encoders that are trained, by their keys.
  fileprivate func encoderHashes() throws(ARMSError) -> [(key: String, hash: String)] {
    var hashes: [(String, String)] = []
    let trained = Dictionary(trainedTensors.map { ($0.parameter.name, $0.values) }) { first, _ in first }
    func values(_ parameter: Parameter) -> UnsafePointer<Float>? { trained[parameter.name] }
    if text.layers != nil {
      var hash = EncoderHash(base.model.file, prefix: text.prefix, sections: ["text.", "tokenizer."])
      try hash.update(network.text.parameters, values: values)
      hashes.append(("\(text.prefix.key)text.hash", hash.hexDigest()))
    }
    if let image, let encoder = network.image, image.layers != nil {
      var hash = EncoderHash(base.model.file, prefix: image.prefix, sections: ["vision."])
      try hash.update(encoder.parameters, values: values)
      hashes.append(("\(image.prefix.key)vision.hash", hash.hexDigest()))
    }
    return hashes
  }

  /// The router's pools, with what was learned in place of this one's deltas and betas, and with profiles embedded by
  /// `network`'s text encoder if that was trained.
  fileprivate func trainedPools(_ network: RouterNetwork) throws(ARMSError) -> [CandidatePool] {
    var learned = pool.candidates
    for index in learned.indices { learned[index].beta = candidates.betas[index] }
    guard learned.allSatisfy(\.beta.isFinite) else {
      throw ARMSError(.notFinite, "a candidate's beta is not a finite number; the training went wrong")
    }
    let width = network.text.width
    let embeddings = try AlignedBuffer(
      Float.self, count: pool.count * width, purpose: "\(pool.count) profiles")
    let target = embeddings.pointer(to: Float.self)
    if text.layers == nil {
      target.update(from: pool.embeddings, count: pool.count * width)
    } else {
      try network.embed(
        learned.enumerated().map { ($0.offset, $0.element.profile) }, into: target, on: engine)
      for index in learned.indices {
        learned[index].encoderHash = network.text.hash
        learned[index].hasGivenEmbedding = false
      }
    }
    var pools = base.pools
    pools[number] = try CandidatePool(
      learned, embeddings: target, deltas: candidates.deltas, classifier: network.head.classifier, on: engine)
    return pools
  }

  /// How the weights came about: what was trained, with which options, and what it gave.
  fileprivate func record() throws(ARMSError) -> JSON {
    func layers(_ layers: TrainedLayers?, of blocks: Int) -> JSON {
      guard let layers else { return JSON("frozen") }
      return layers.includesEmbeddings ? JSON("all") : JSON("last \(blocks - layers.firstBlock)")
    }
    let metrics = (run?.metrics ?? []).map { metrics in
      JSON([
        "loss": JSON(metrics.loss), "accuracy": JSON(metrics.accuracy),
        "exact_match": JSON(metrics.exactMatch), "queries": JSON(metrics.queries),
        "outcomes": JSON(metrics.outcomes),
      ])
    }
    return JSON([
      "kind": JSON("training"), "library": JSON("arms \(libraryVersion)"), "router": JSON(number),
      "text": layers(text.layers, of: network.text.blocks.count),
      "image": layers(image?.layers, of: network.image?.blocks.count ?? 0),
      "base_text": JSON(network.text.hash), "base_vision": JSON(network.image?.hash ?? ""),
      "candidates": JSON(pool.candidates.map { JSON($0.name) }),
      "adapters": options.adapters.map { adapters in
        JSON([
          "rank": JSON(adapters.rank), "alpha": JSON(adapters.scaling),
          "targets": JSON(Int(adapters.targets.rawValue)),
        ])
      } ?? JSON("none"),
      "seed": JSON(options.seed), "epochs": JSON(options.epochs), "batch_size": JSON(options.batchSize),
      "micro_batch_size": JSON(options.queriesPerPass), "learning_rate": JSON(options.learningRate.peak),
      "warmup": JSON(options.learningRate.warmup), "shape": JSON(options.learningRate.shape.rawValue),
      "weight_decay": JSON(options.weightDecay), "clip": JSON(options.clip),
      "routing_weight": JSON(options.routingWeight), "routing_sharpness": JSON(options.routingSharpness),
      "teacher_weight": JSON(options.teacherWeight), "teacher_ridge": JSON(options.teacherRidge),
      "starts_at_base_rates": JSON(options.startsAtBaseRates),
      "balances_classes": JSON(options.balancesClasses), "uses_bfloat16": JSON(options.usesBFloat16),
      "threads": JSON(engine.pool.threads), "steps": JSON(optimizer.step), "data": JSON(run?.dataHash ?? ""),
      "validation": JSON(metrics),
    ])
  }
}
