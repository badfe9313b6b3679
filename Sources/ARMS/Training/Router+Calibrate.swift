extension Router {
  /// Fits the calibration of the candidates, `T_j` and `b_j`, to outcomes that no training has seen.
  ///
  /// Each candidate's is drawn towards that of all candidates of its router together as if these were `strength`
  /// outcomes; one without outcomes takes the common one, so that confidences of all can be compared. A router none of
  /// whose candidates has an outcome keeps its calibrations. Weights stay, and the order of two confidences of one
  /// candidate does. The calibrations go live as one generation, which is returned.
  ///
  /// A candidate that is added meanwhile keeps the calibration that it comes with.
  ///
  /// Throws `invalidArgument` for an empty data set or a `strength` that is not above 0, `notFound` for an outcome
  /// of an unknown candidate, `conflict` if the router's weights or a candidate were replaced meanwhile, or a candidate
  /// was fitted, and as `score`, naming the sample. The router is then as it was.
  @discardableResult
  public func calibrate(on data: DataSet, strength: Double = 256) throws(ARMSError) -> UInt64 {
    guard strength.isFinite, strength > 0 else {
      throw ARMSError(.invalidArgument, "strength is \(strength); a number above 0 is wanted")
    }
    let (snapshot, samples) = (snapshots.load(), try data.samples)
    try snapshot.check(samples)
    var fitted: [String: Calibration] = [:]
    for number in snapshot.pools.indices {
      let observations = try observations(samples, snapshot, number: number)
      guard observations.contains(where: { !$0.isEmpty }) else { continue }
      let calibrations = Calibration.each(of: observations, strength: strength)
      for (candidate, calibration) in zip(snapshot.pools[number].candidates, calibrations) {
        fitted[candidate.name] = calibration
      }
    }
    return try calibrate(fitted, since: snapshot)
  }

  /// Makes calibrations of the candidates of `snapshot` the next generation, if these still have the same logits.
  func calibrate(_ fitted: [String: Calibration], since snapshot: RouterSnapshot) throws(ARMSError) -> UInt64
  {
    try snapshots.update { (current) throws(ARMSError) in
      try current.checkModel(of: snapshot)
      for name in fitted.keys.sorted() where current.places[name] != nil {
        try current.checkCandidate(name, of: snapshot)
        guard try current.hasLearned(name, asIn: snapshot) else {
          throw ARMSError(
            .conflict, "candidate \(quoted(name)) was fitted meanwhile; calibrate again")
        }
      }
      return current.next(
        try current.pools.map { (pool) throws(ARMSError) in
          try pool.replacing(
            pool.candidates.map { candidate in
              var candidate = candidate
              guard let calibration = fitted[candidate.name] else { return candidate }
              candidate.temperature = Float(calibration.temperature)
              candidate.bias = Float(calibration.bias)
              return candidate
            })
        })
    }.generation
  }

  /// The logits of the known outcomes, a list for each candidate of pool `number`.
  private func observations(
    _ samples: [Sample], _ snapshot: RouterSnapshot, number: Int
  ) throws(ARMSError) -> [[Calibration.Observation]] {
    let (model, pool) = (snapshot.model, snapshot.pools[number])
    let classifier = model.networks[number].head.classifier
    var observations = [[Calibration.Observation]](repeating: [], count: pool.count)
    func isWanted(_ sample: Sample) -> Bool {
      sample.outcomes.contains { snapshot.places[$0.candidate]?.pool == number }
    }
    try forEachFused(samples, of: model, number: number, where: isWanted) {
      (sample, vector) throws(ARMSError) in
      try engine.execute { (execution) throws(ARMSError) in
        let logits = try execution.arena.allocate(Float.self, pool.count)
        try pool.score(vector, classifier: classifier, output: .logit, out: logits, on: execution)
        for outcome in sample.outcomes {
          guard let place = snapshot.places[outcome.candidate], place.pool == number else { continue }
          observations[place.index].append(
            Calibration.Observation(
              logit: Double(logits[place.index]), label: Double(outcome.label), weight: Double(outcome.weight)
            ))
        }
      }
    }
    return observations
  }
}

extension RouterSnapshot {
  /// Throws if there is no sample, or an outcome is of a candidate that is not here, naming the sample.
  func check(_ samples: [Sample]) throws(ARMSError) {
    guard !samples.isEmpty else {
      throw ARMSError(.invalidArgument, "the data set is empty; one sample at least is wanted")
    }
    for (number, sample) in samples.enumerated() {
      try naming("samples[\(number)]") { () throws(ARMSError) in
        for outcome in sample.outcomes { _ = try place(of: outcome.candidate) }
      }
    }
  }

  /// Throws if the weights are not those of `other`, an earlier snapshot.
  func checkModel(of other: RouterSnapshot) throws(ARMSError) {
    guard model === other.model else {
      throw ARMSError(
        .conflict, "the router's weights were replaced meanwhile; do it again for the new ones")
    }
  }

  /// Throws if there is no candidate of that name any more, or another one than in `other`, an earlier snapshot, or one
  /// that is described otherwise. A candidate's changes leave its counter, but so does a replacement of all under names
  /// that stay.
  func checkCandidate(_ name: String, of other: RouterSnapshot) throws(ARMSError) {
    let (now, before) = (try place(of: name), try other.place(of: name))
    let (pool, old) = (pools[now.pool], other.pools[before.pool])
    guard pool.choices[now.index] === old.choices[before.index],
      pool.describes(now.index, asIn: old, before.index)
    else {
      throw ARMSError(
        .conflict, "candidate \(quoted(name)) was replaced meanwhile; do it again for the new one")
    }
  }

  /// Whether what is learned of a candidate is what it is in `other`.
  fileprivate func hasLearned(_ name: String, asIn other: RouterSnapshot) throws(ARMSError) -> Bool {
    let (now, before) = (try place(of: name), try other.place(of: name))
    let (pool, old) = (pools[now.pool], other.pools[before.pool])
    return pool.candidates[now.index].beta == old.candidates[before.index].beta
      && pool.delta(at: now.index).elementsEqual(old.delta(at: before.index))
  }
}

extension CandidatePool {
  fileprivate func delta(at index: Int) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: deltas + index * embeddingWidth, count: embeddingWidth)
  }
}
