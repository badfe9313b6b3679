extension Router {
  /// Goes on with the training of router `number` on outcomes of new candidates (Eq. 7), which were added before and
  /// are routed to by their profiles alone meanwhile.
  ///
  /// `old` holds outcomes to replay, `heldOut` outcomes of old candidates that no training has seen: the new weights
  /// go live, in one step, only if the old candidates do as well there as the tolerance asks; without `heldOut` they
  /// always do. What is compared are the router as it is and as it would be, see ``ExtensionReport``. A run that is not
  /// accepted, is cancelled or fails leaves the router as it was. Routing goes on. Like ``Trainer/commit()`` it forgets
  /// a fit that is made while it runs.
  ///
  /// Throws `invalidArgument` for no name, a new candidate without an outcome, options that make no sense, or a replay
  /// share without old outcomes; `notFound` for a name that is no candidate of this router, and for outcomes of unknown
  /// candidates; and as ``Trainer/train(_:validation:checkpoint:progress:)``
  /// and ``Trainer/commit()``.
  public func extend(
    to names: [String], on data: DataSet, replaying old: DataSet? = nil, heldOut: DataSet? = nil,
    validation: DataSet? = nil, number: Int = 0, options: ExtensionOptions = ExtensionOptions(),
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws(ARMSError) -> ExtensionReport {
    try options.validate()
    guard !names.isEmpty else {
      throw ARMSError(.invalidArgument, "no new candidate is named; name one at least")
    }
    let trainer = try Trainer(self, number: number, options: options.training)
    for name in names where try trainer.base.place(of: name).pool != number {
      throw ARMSError(.notFound, "candidate \(quoted(name)) is not of router \(number)")
    }
    let oldNames = Set(trainer.pool.candidates.map(\.name)).subtracting(names)
    try data.checkOutcomes(of: names)
    let judge = try heldOut.map { (data) throws(ARMSError) in
      try trainer.base.check(try data.samples)
      return try HeldOutOutcomes(data, of: oldNames, number: number)
    }
    // Here already, so that what cannot be measured is found before the training.
    let first = try judge?.measure(trainer.base, by: self)
    var set = try trainer.trainingSet(
      try data.replaying(old, share: options.replayShare, seed: options.training.seed))
    if options.distillation > 0 {
      set = try trainer.distilled(set, candidates: oldNames, weight: Float(options.distillation))
    }
    let measured = try validation.map { (data) throws(ARMSError) in try trainer.trainingSet(data) }
    let epochs = try trainer.train(set, validation: measured, progress: progress)
    let trained = try TrainedModel(trainer, type: nil, copying: true)
    let (before, after) = try judge?.compare(trainer, with: trained, before: first) ?? (nil, nil)
    let isAccepted = isHarmless(before, after, tolerance: options.tolerance)
    let generation = isAccepted ? try trainer.commit(trained) : snapshots.load().generation
    return ExtensionReport(
      isAccepted: isAccepted, before: before, after: after, epochs: epochs, generation: generation)
  }
}

/// Whether neither exact match nor accuracy fell by more than the tolerance.
func isHarmless(_ before: TrainingMetrics?, _ after: TrainingMetrics?, tolerance: Double) -> Bool {
  guard let before, let after else { return true }
  // They are shares of counts: what is less by rounding alone is not less.
  let allowed = tolerance + 1e-9
  return after.exactMatch >= before.exactMatch - allowed && after.accuracy >= before.accuracy - allowed
}

extension DataSet {
  /// Throws `invalidArgument` if one of the candidates has no outcome: what is learned would be of others.
  fileprivate func checkOutcomes(of names: [String]) throws(ARMSError) {
    let known = Set(try samples.lazy.flatMap(\.outcomes).map(\.candidate))
    for name in names where !known.contains(name) {
      throw ARMSError(
        .invalidArgument, "the data has no outcome of the new candidate \(quoted(name)); give one at least")
    }
  }

  /// These samples and so many of `old` that they are this share of all. A query of both is one, and an outcome of
  /// both the one that is here.
  fileprivate func replaying(_ old: DataSet?, share: Double, seed: UInt64) throws(ARMSError) -> DataSet {
    guard share > 0 else { return self }
    guard let old else {
      throw ARMSError(.invalidArgument, "replay_share is \(share), but there is no data to replay; give some")
    }
    let (own, others) = (try samples, try old.samples)
    let wanted = min(Double(others.count), (Double(own.count) * share / (1 - share)).rounded())
    var random = SplitMix64(seed: seed)
    let data = DataSet()
    try data.append(own)
    try data.appendUnknown(Array(others.shuffled(using: &random).prefix(Int(wanted))))
    return data
  }
}

extension Trainer {
  /// The queries with what the router says before training of each of the named candidates without an outcome: its
  /// confidence, not calibrated, is a label of the given weight. What is encoded for that is kept for the training.
  fileprivate func distilled(
    _ set: TrainingSet, candidates names: Set<String>, weight: Float
  ) throws(ARMSError) -> TrainingSet {
    let taught = pool.candidates.indices.filter { names.contains(pool.candidates[$0].name) }
    var queries: [TrainingQuery] = []
    // The profiles as the router has them.
    try forEachQuery(of: set, embeddingProfiles: false) { query, logits in
      let known = Set(query.outcomes.map(\.candidate))
      queries.append(
        query.adding(
          taught.filter { !known.contains($0) }.map { place in
            EncodedOutcome(
              candidate: place, label: confidence(logit: logits[place], temperature: 1, bias: 0),
              weight: weight)
          }))
    }
    return TrainingSet(queries: queries, cache: set.cache, hash: set.hash)
  }
}

extension TrainingQuery {
  /// The same query with further outcomes.
  fileprivate func adding(_ more: [EncodedOutcome]) -> TrainingQuery {
    TrainingQuery(number: number, question: question, images: images, outcomes: outcomes + more)
  }
}
