extension Trainer {
  /// Writes everything that ``resume(from:)`` needs: parameters, moments, the place in the run, options, and the hashes
  /// of the router and the data. The file at `path` is replaced in one step when all bytes are on disk, or left as it
  /// is.
  ///
  /// It is a GGUF file of architecture "arms.checkpoint"; it holds no code and no paths. Throws `notFinite`
  /// if a parameter is no number any more, as no run could go on from there; `io`.
  public func saveCheckpoint(to path: String) throws(ARMSError) {
    for (name, start) in checkpointed {
      for index in 0..<parameters.count where !start[index].isFinite {
        throw ARMSError(
          .notFinite,
          "\(name) has \(start[index]) at \(index); the training went wrong, and has no checkpoint")
      }
    }
    let metrics = run?.metrics ?? []
    var writer = GGUFWriter(.checkpoint)
    writer.set("arms.checkpoint.base", .string(baseHash))
    writer.set("arms.checkpoint.data", .string(run?.dataHash ?? ""))
    writer.set("arms.checkpoint.options", .string(options.fingerprint(threads: engine.pool.threads)))
    writer.set("arms.checkpoint.layout", .string(parameters.fingerprint))
    writer.set("arms.checkpoint.optimizer_step", .uint64(UInt64(optimizer.step)))
    writer.set("arms.checkpoint.has_run", .bool(run != nil))
    writer.set("arms.checkpoint.step", .uint64(UInt64(run?.step ?? 0)))
    writer.set("arms.checkpoint.steps", .uint64(UInt64(run?.steps ?? 0)))
    writer.set(
      "arms.checkpoint.metrics",
      .float64Array(
        metrics.flatMap {
          [$0.loss, $0.accuracy, $0.exactMatch, Double($0.queries), Double($0.outcomes)]
        }))
    for (name, start) in checkpointed {
      writer.add(
        tensor: name, type: .f32, shape: [parameters.count],
        data: UnsafeRawBufferPointer(
          start: start, count: parameters.count * MemoryLayout<Float>.stride))
    }
    try withExtendedLifetime(self) { () throws(ARMSError) in try writer.write(to: path) }
  }

  /// Takes over a checkpoint. The next call of ``train(_:validation:checkpoint:progress:)`` goes on with its run, to the
  /// same bits as if it had not been interrupted.
  ///
  /// The file is untrusted: all of it is checked before anything is changed. Throws `invalidArgument` for one of another
  /// router, other candidates or other options, naming what differs; `invalidModel` for a damaged one; `io`;
  /// `unsupported` for a file of another kind. Other data is refused by the run, if the one that wrote the checkpoint
  /// had a file for them.
  public func resume(from path: String) throws(ARMSError) {
    let file = try ModelFile(path: path, copy: router.copiesFiles, architecture: .checkpoint)
    for (key, own, what) in [
      ("arms.checkpoint.base", baseHash, "another router, or other candidates"),
      (
        "arms.checkpoint.options", options.fingerprint(threads: engine.pool.threads),
        "a run with other options"
      ),
      ("arms.checkpoint.layout", parameters.fingerprint, "other parameters"),
    ] {
      let found = try file.string(key)
      guard found == own else {
        let detail = key.hasSuffix("options") ? ": \(quoted(found)), here \(quoted(own))" : ""
        throw ARMSError(
          .invalidArgument,
          "\(printable(path)): is a checkpoint of \(what)\(detail); begin anew, or give the same")
      }
    }
    let step = try file.count("arms.checkpoint.optimizer_step")
    let resumed = try file.run()
    let tensors = try checkpointed.map { (name, _) throws(ARMSError) in
      try file.finiteFloats(name, [parameters.count], least: name.hasSuffix("second") ? 0 : nil)
    }
    for (target, source) in zip(checkpointed, tensors) {
      target.start.update(from: source, count: parameters.count)
    }
    optimizer.setStep(step)
    run = resumed
    isResumed = resumed != nil
    extendLifetime(file)
  }

  /// What a checkpoint holds, by the names of its tensors.
  private var checkpointed: [(name: String, start: UnsafeMutablePointer<Float>)] {
    [
      ("parameters", parameters.values), ("moments.first", optimizer.firstMoments),
      ("moments.second", optimizer.secondMoments),
    ]
  }
}

extension ModelFile {
  /// A number that counts steps.
  fileprivate func count(_ key: String) throws(ARMSError) -> Int {
    let value = try require(key, "an integer")
    guard let number = value.integer, (0...1 << 40).contains(number) else {
      throw invalid("key \(quoted(key)) is no possible number of steps")
    }
    return number
  }

  /// The run of a checkpoint, if there was one.
  fileprivate func run() throws(ARMSError) -> TrainingRun? {
    guard try bool("arms.checkpoint.has_run") else { return nil }
    let (step, steps) = (try count("arms.checkpoint.step"), try count("arms.checkpoint.steps"))
    guard step <= steps else { throw invalid("is at step \(step) of \(steps)") }
    let values = try float64Array("arms.checkpoint.metrics")
    guard values.count % 5 == 0, values.allSatisfy(\.isFinite) else {
      throw invalid(
        "key \"arms.checkpoint.metrics\" has \(values.count) numbers; five finite ones an epoch are wanted")
    }
    var metrics: [TrainingMetrics] = []
    for place in stride(from: 0, to: values.count, by: 5) {
      guard let queries = Int(exactly: values[place + 3]), let outcomes = Int(exactly: values[place + 4])
      else {
        throw invalid("key \"arms.checkpoint.metrics\" has a fraction of a query or outcome")
      }
      metrics.append(
        TrainingMetrics(
          loss: values[place], accuracy: values[place + 1], exactMatch: values[place + 2], queries: queries,
          outcomes: outcomes))
    }
    return TrainingRun(
      dataHash: try string("arms.checkpoint.data"), step: step, steps: steps, metrics: metrics)
  }
}

extension TrainingOptions {
  /// Everything that the results of a run depend on; equal texts give equal bits.
  func fingerprint(threads: Int) -> String {
    func layers(_ count: Int) -> String { count == .max ? "all" : "\(count)" }
    let rate = learningRate
    let parts = [
      "text \(layers(scope.textLayers))", "image \(layers(scope.imageLayers))", "epochs \(epochs)",
      "batch \(batchSize)", "micro-batch \(queriesPerPass)", "rate \(rate.peak) \(rate.shape.rawValue)",
      "warm-up \(rate.warmup)", "decay \(weightDecay)", "clip \(clip)", "balanced \(balancesClasses)",
      "routing \(routingWeight) \(routingSharpness)", "teacher \(teacherWeight) \(teacherRidge)",
      "base rates \(startsAtBaseRates)", "bfloat16 \(usesBFloat16)", "seed \(seed)", "threads \(threads)",
      adapters.map { "adapters \($0.rank) \($0.scaling) \($0.targets.rawValue)" } ?? "no adapters",
    ]
    return parts.joined(separator: ", ")
  }
}

extension ParameterSet {
  /// SHA-256 over names, shapes and places.
  var fingerprint: String {
    var hash = SHA256()
    for entry in entries {
      hash.update(delimited: entry.parameter.name)
      for size in entry.parameter.shape { hash.update(UInt64(size)) }
      hash.update(UInt64(entry.offset))
    }
    return hash.hexDigest()
  }
}

extension RouterModel {
  /// SHA-256 over all keys and tensors of the file but the candidates', and but what a copy leaves out, in the order of
  /// their names.
  var hash: SHA256 {
    var hash = SHA256()
    func isOwn(_ name: String) -> Bool { !RouterPrefix.isOfCandidates(name) }
    for key in file.keys.filter(isOwn).sorted() {
      guard let value = file.value(key) else { continue }
      hash.update(delimited: key)
      hash.update(value.payload)
    }
    for name in file.tensorNames.filter(isOwn).sorted() {
      guard let tensor = file.tensor(name), tensor.isKnown else { continue }
      hash.update(delimited: name)
      hash.update(tensor.type.rawValue)
      for size in tensor.shape { hash.update(UInt64(size)) }
      hash.update(tensor.data)
    }
    return hash
  }
}

extension RouterSnapshot {
  /// SHA-256 over the model and everything of its candidates that training reads.
  func fingerprint() -> String {
    var hash = model.hash
    for pool in pools {
      hash.update(UInt64(pool.count))
      for candidate in pool.candidates {
        hash.update(delimited: candidate.name)
        hash.update(delimited: candidate.profile)
        hash.update(candidate.beta.bitPattern)
      }
      hash.update(pool.embeddings, count: pool.count * pool.embeddingWidth)
      hash.update(pool.deltas, count: pool.count * pool.embeddingWidth)
    }
    return hash.hexDigest()
  }
}
