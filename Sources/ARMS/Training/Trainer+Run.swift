/// How far a run is, with what is needed to go on.
struct TrainingRun: Equatable {
  /// Names the data; empty if the run has no checkpoints, whose resumption then takes what data it is given.
  var dataHash: String
  /// Steps made, and of the whole run.
  var step = 0
  var steps: Int
  /// The validation metrics of the epochs that are over.
  var metrics: [TrainingMetrics] = []
}

/// When a run writes checkpoints, and where.
public struct Checkpointing: Sendable, Equatable {
  /// The file, which each checkpoint replaces in one step.
  public var path: String
  /// Steps from one checkpoint to the next. One more is written when the run ends or is cancelled.
  public var interval: Int

  /// Makes a rule.
  public init(path: String, interval: Int = 100) {
    self.path = path
    self.interval = interval
  }
}

extension Trainer {
  /// Trains for the epochs of the options, in an order that the seed decides. Returns the validation metrics of each
  /// epoch; none without validation data.
  ///
  /// After ``resume(from:)`` it goes on where the checkpoint was written, to the same bits as a run that was not
  /// interrupted. Otherwise a further run begins the learning rate's course anew and goes on with weights and moments.
  /// `progress` is called after every step on this thread; false ends the run.
  ///
  /// Throws `cancelled` then; `notFinite` when the loss is no number any more; `invalidArgument` for no data, or other
  /// data than the checkpoint's; `notFound` for outcomes of unknown candidates, `limitExceeded`, and what decoding
  /// images throws, naming the sample; `io` if a checkpoint cannot be written. What was learned before stays.
  @discardableResult
  public func train(
    _ data: DataSet, validation: DataSet? = nil, checkpoint: Checkpointing? = nil,
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws(ARMSError) -> [TrainingMetrics] {
    if let checkpoint, checkpoint.interval < 1 {
      throw ARMSError(
        .invalidArgument, "the checkpoints' interval is \(checkpoint.interval); 1 or more is wanted")
    }
    // A folder that takes no file is told now, not when the first steps would be lost.
    if let checkpoint { _ = try FileReplacement(checkpoint.path) }
    let set = try trainingSet(data, hashed: checkpoint != nil || isResumed)
    let measured = try validation.map { (data) throws(ARMSError) in try trainingSet(data) }
    return try train(set, validation: measured, checkpoint: checkpoint, progress: progress)
  }

  /// As ``train(_:validation:checkpoint:progress:)``.
  @discardableResult
  func train(
    _ set: TrainingSet, validation: TrainingSet? = nil, checkpoint: Checkpointing? = nil,
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws(ARMSError) -> [TrainingMetrics] {
    guard !set.queries.isEmpty else {
      throw ARMSError(.invalidArgument, "there is no training sample; one at least is wanted")
    }
    loss = objective(over: set.queries)
    let set = try taught(set)
    let batches = (set.queries.count - 1) / options.batchSize + 1
    var run = try begin(set, batches: batches)
    let offsets = Array(offsets)
    if options.startsAtBaseRates, optimizer.step == 0 { startAtBaseRates(set.queries) }
    // What fails before the first step has learned nothing.
    defer { if optimizer.step == 0 { _ = self.offsets.update(fromContentsOf: offsets) } }
    self.run = run
    // A run that ended in the validation of an epoch has that still before it.
    _ = try validate(on: validation, batches: batches, &run)
    var random = SplitMix64(seed: options.seed)
    var order = Array(set.queries.indices)
    for epoch in 0..<options.epochs {
      order.shuffle(using: &random)
      for (batch, places) in order[...].passes(of: options.batchSize).enumerated()
      where epoch * batches + batch >= run.step {
        var state = try step(set, places, run: run)
        run.step += 1
        isResumed = false
        // What fails from here on does not undo the step: a checkpoint must not say that it is still to be made.
        self.run = run
        state.epoch = epoch
        state.validation = try validate(on: validation, batches: batches, &run)
        let goesOn = progress(state)
        if let checkpoint, !goesOn || run.step % checkpoint.interval == 0 || run.step == run.steps {
          try saveCheckpoint(to: checkpoint.path)
        }
        guard goesOn else {
          throw ARMSError(.cancelled, "training was cancelled after step \(run.step) of \(run.steps)")
        }
      }
    }
    isResumed = false
    return run.metrics
  }

  /// Measures the epoch that ended with the last step; nil amid an epoch, or if it is measured already.
  private func validate(
    on validation: TrainingSet?, batches: Int, _ run: inout TrainingRun
  ) throws(ARMSError) -> TrainingMetrics? {
    guard run.step % batches == 0, run.metrics.count < run.step / batches, let validation,
      !validation.queries.isEmpty
    else { return nil }
    let metrics = try evaluate(validation, label: "the validation loss after step \(run.step)")
    run.metrics.append(metrics)
    self.run = run
    return metrics
  }

  /// A new run, or the one that a checkpoint holds.
  private func begin(_ set: TrainingSet, batches: Int) throws(ARMSError) -> TrainingRun {
    let (steps, overflow) = batches.multipliedReportingOverflow(by: options.epochs)
    guard !overflow else { throw ARMSError(.invalidArgument, "\(options.epochs) epochs are too many") }
    guard isResumed, var run else { return TrainingRun(dataHash: set.hash, steps: steps) }
    let isHashed = !run.dataHash.isEmpty
    guard isHashed ? run.dataHash == set.hash : run.steps == steps else {
      throw ARMSError(
        .invalidArgument,
        "the checkpoint is of a run on other data; give the same samples in the same order, or begin anew with a "
          + "new trainer")
    }
    guard run.steps == steps, run.step <= steps else {
      throw ARMSError(
        .invalidModel, "the checkpoint is at step \(run.step) of \(run.steps); this run has \(steps)")
    }
    run.dataHash = set.hash
    return run
  }

  /// One step.
  private func step(
    _ set: TrainingSet, _ places: ArraySlice<Int>, run: TrainingRun
  ) throws(ARMSError) -> TrainingProgress {
    let rate = options.learningRate.rate(step: run.step, of: run.steps)
    let loss = try computeGradients(set, at: places)
    guard loss.isFinite else {
      throw ARMSError(
        .notFinite,
        "the loss of step \(run.step + 1) is \(loss); lower the learning rate or check the weights")
    }
    try applyGradients(rate: rate)
    return TrainingProgress(
      epoch: 0, step: run.step + 1, steps: run.steps, loss: loss, learningRate: rate)
  }

  /// Measures the present parameters on a data set. The loss is the mean weighted cross-entropy of the logits, whatever
  /// the options ask a run to minimise, so that the losses of two trainers can be compared.
  ///
  /// Throws `invalidArgument` for no sample, and as ``train(_:validation:checkpoint:progress:)``.
  public func evaluate(_ data: DataSet) throws(ARMSError) -> TrainingMetrics {
    try evaluate(try trainingSet(data), label: "the loss on the data")
  }

  /// Measures the present parameters on queries. `label` names the loss.
  func evaluate(_ set: TrainingSet, label: @autoclosure () -> String) throws(ARMSError) -> TrainingMetrics {
    guard !set.queries.isEmpty else {
      throw ARMSError(.invalidArgument, "there is no sample to measure on; one at least is wanted")
    }
    var sums = MetricSums()
    try forEachQuery(of: set, embeddingProfiles: true) { query, logits in
      sums.add(query.outcomes, scores: logits, are: .logit)
    }
    let metrics = sums.metrics
    guard metrics.loss.isFinite else {
      throw ARMSError(
        .notFinite, "\(label()) is \(metrics.loss); lower the learning rate or check the weights")
    }
    return metrics
  }

  /// Calls `body` with each query and the logits that the present parameters give all candidates, whose profiles are
  /// embedded anew if that is asked and the text encoder is trained.
  func forEachQuery(
    of set: TrainingSet, embeddingProfiles: Bool,
    _ body: (_ query: TrainingQuery, _ logits: UnsafePointer<Float>) -> Void
  ) throws(ARMSError) {
    try adapted?.merge(on: engine)
    if embeddingProfiles { try embedProfiles(of: set.queries, bfloat16: false) }
    for places in set.places.passes(of: options.queriesPerPass) {
      try engine.execute { (execution) throws(ARMSError) in
        let queries = places.map { set.queries[$0] }
        let pass = try forward(queries, cache: set.cache, on: execution)
        for (row, query) in queries.enumerated() {
          body(query, pass.kept.classifier.logits + row * candidates.count)
        }
        extendLifetime(pass.images)
      }
    }
  }
}

extension Trainer {
  /// What the validations of the last run gave so far, one an epoch; after ``resume(from:)`` those of the run that goes
  /// on.
  package var validations: [TrainingMetrics] { run?.metrics ?? [] }
}
