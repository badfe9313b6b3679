/// Outcomes of some candidates of a router that no training has seen: they tell what a router does with them, or what
/// it would do with other weights.
struct HeldOutOutcomes {
  private let samples: [Sample]
  private let names: Set<String>
  /// The candidates' router.
  private let number: Int

  /// The outcomes of the named candidates. Throws `invalidArgument` if there are none.
  init(_ data: DataSet, of names: Set<String>, number: Int) throws(ARMSError) {
    samples = try data.samples
    self.names = names
    self.number = number
    guard samples.contains(where: { $0.outcomes.contains { names.contains($0.candidate) } }) else {
      throw ARMSError(
        .invalidArgument,
        "the held-out data has no outcome of an old candidate; it cannot tell what is forgotten")
    }
  }

  /// How well `snapshot` tells them by what routing goes by: calibrated confidences, of the weights as they are
  /// stored. Nil if it has none of the candidates.
  ///
  /// Throws as `score`, naming the sample.
  func measure(_ snapshot: RouterSnapshot, by router: Router) throws(ARMSError) -> TrainingMetrics? {
    let (model, pool) = (snapshot.model, snapshot.pools[number])
    let classifier = model.networks[number].head.classifier
    var sums = MetricSums()
    try router.forEachFused(samples, of: model, number: number, where: { !known($0, by: snapshot).isEmpty }) {
      (sample, vector) throws(ARMSError) in
      try router.engine.execute { (execution) throws(ARMSError) in
        let confidences = try execution.arena.allocate(Float.self, pool.count)
        try pool.score(vector, classifier: classifier, output: .confidence, out: confidences, on: execution)
        sums.add(known(sample, by: snapshot), scores: confidences, are: .confidence)
      }
    }
    let metrics = sums.metrics
    return metrics.queries > 0 ? metrics : nil
  }

  /// The trainer's router as it is and as a commit of `trained` would make it, with the candidates and calibrations of
  /// this moment on both sides. `before` is what the router gave that the trainer was made for.
  func compare(
    _ trainer: Trainer, with trained: TrainedModel, before: TrainingMetrics?
  ) throws(ARMSError) -> (before: TrainingMetrics?, after: TrainingMetrics?) {
    let (router, present) = (trainer.router, trainer.router.snapshots.load())
    let after = try measure(try trainer.successor(of: present, with: trained), by: router)
    return (present === trainer.base ? before : try measure(present, by: router), after)
  }

  /// A sample's outcomes of the candidates.
  private func known(_ sample: Sample, by snapshot: RouterSnapshot) -> [EncodedOutcome] {
    sample.outcomes.compactMap { outcome in
      guard names.contains(outcome.candidate), let place = snapshot.places[outcome.candidate],
        place.pool == number
      else { return nil }
      return EncodedOutcome(candidate: place.index, label: outcome.label, weight: outcome.weight)
    }
  }
}
