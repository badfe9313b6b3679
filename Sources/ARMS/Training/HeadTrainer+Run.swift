/// How well a head does on samples.
package struct HeadMetrics: Sendable, Equatable {
  /// The mean weighted loss.
  package var loss = 0.0
  /// Share of the known outcomes that the sign of the logit predicts.
  package var accuracy = 0.0
  /// Share of the samples whose candidate of the largest logit, among those with a known outcome, answered correctly.
  package var exactMatch = 0.0
}

/// How far a run is.
package struct HeadTrainingProgress: Sendable, Equatable {
  /// From 0.
  package var epoch: Int
  /// Steps made, and of the whole run.
  package var step: Int
  package var steps: Int
  /// The loss of the last batch.
  package var loss: Double
  /// The learning rate of the last step.
  package var learningRate: Double
  /// At the end of an epoch, if there are validation samples.
  package var validation: HeadMetrics?
}

extension HeadTrainer {
  /// Trains for the epochs of the options, in an order that the seed decides. Returns the validation metrics of
  /// each epoch; none without validation samples.
  /// A second run begins the learning rate's course anew and goes on with weights and moments.
  ///
  /// `progress` is called after every step on this thread; false ends the run. Throws `cancelled` then,
  /// `notFinite` when the loss is no number any more, and as ``validate(_:)``. What was learned before stays.
  @discardableResult
  package func train(
    _ samples: [EncodedSample], validation: [EncodedSample] = [],
    progress: (HeadTrainingProgress) -> Bool = { _ in true }
  ) throws(ARMSError) -> [HeadMetrics] {
    guard !samples.isEmpty else {
      throw ARMSError(.invalidArgument, "there is no training sample; one at least is wanted")
    }
    try validate(samples)
    try validate(validation)
    loss = options.balancesClasses ? .balanced(over: samples) : .unbalanced
    let stepsPerEpoch = (samples.count + options.batchSize - 1) / options.batchSize
    let (steps, overflow) = stepsPerEpoch.multipliedReportingOverflow(by: options.epochs)
    guard !overflow else { throw ARMSError(.invalidArgument, "\(options.epochs) epochs are too many") }
    var metrics: [HeadMetrics] = []
    var random = SplitMix64(seed: options.seed)
    var order = Array(samples.indices)
    var step = 0
    for epoch in 0..<options.epochs {
      order.shuffle(using: &random)
      for batch in order[...].passes(of: options.batchSize) {
        let rate = options.learningRate.rate(step: step, of: steps)
        let loss = try computeGradients(samples, at: batch)
        guard loss.isFinite else {
          throw ARMSError(
            .notFinite,
            "the loss of step \(step + 1) is \(loss); lower the learning rate or check the weights")
        }
        try applyGradients(rate: rate)
        step += 1
        var state = HeadTrainingProgress(
          epoch: epoch, step: step, steps: steps, loss: loss, learningRate: rate)
        if step % stepsPerEpoch == 0, !validation.isEmpty {
          let measured = try evaluate(validation)
          metrics.append(measured)
          state.validation = measured
        }
        guard progress(state) else {
          throw ARMSError(.cancelled, "training was cancelled after step \(step) of \(steps)")
        }
      }
    }
    return metrics
  }

  /// Measures the present parameters on samples. Throws as ``validate(_:)``, and `invalidArgument` for none.
  package func evaluate(_ samples: [EncodedSample]) throws(ARMSError) -> HeadMetrics {
    guard !samples.isEmpty else {
      throw ARMSError(.invalidArgument, "there is no sample to measure on; one at least is wanted")
    }
    try validate(samples)
    var sums = MetricSums()
    for pass in Array(samples.indices)[...].passes(of: options.samplesPerPass) {
      try engine.execute { (execution) throws(ARMSError) in
        let batch = try TrainingBatch(samples, at: pass, network: network, head: head, in: execution.arena)
        let kept = try Head.Kept(head, batch.input, candidates: candidates, in: execution.arena)
        try head.forward(batch.input, candidates: candidates, keeping: kept, on: execution)
        for (row, place) in pass.enumerated() {
          sums.add(samples[place].outcomes, logits: kept.classifier.logits + row * candidates.count, loss)
        }
      }
    }
    return sums.metrics(samples: samples.count)
  }
}

/// What the metrics are made of.
private struct MetricSums {
  var loss = 0.0
  var weight = 0.0
  var predicted = 0
  var outcomes = 0
  var chosenCorrectly = 0

  mutating func add(_ known: [EncodedOutcome], logits: UnsafePointer<Float>, _ function: OutcomeLoss) {
    var best: EncodedOutcome?
    for outcome in known {
      let logit = logits[outcome.candidate]
      let weight = Double(function.weight(of: outcome))
      loss += weight * Double(OutcomeLoss.value(logit: logit, label: outcome.label))
      self.weight += weight
      predicted += (logit > 0) == (outcome.label == 1) ? 1 : 0
      outcomes += 1
      if best.map({ logit > logits[$0.candidate] }) ?? true { best = outcome }
    }
    if best?.label == 1 { chosenCorrectly += 1 }
  }

  func metrics(samples: Int) -> HeadMetrics {
    HeadMetrics(
      loss: loss / weight, accuracy: Double(predicted) / Double(outcomes),
      exactMatch: Double(chosenCorrectly) / Double(samples))
  }
}

/// Random numbers from a seed (Steele, Lea and Flood 2014), the same on every machine.
struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
