extension Router {
  /// Learns the named candidates' own weights, `delta_j` and `beta_j`, from outcomes, of which few are enough: 8 to
  /// some 1,000. Encoders and head stay, and so do all other candidates.
  ///
  /// A candidate's prior is its profile and the mean offset of the others of its router; it counts as much as
  /// `strength` outcomes. What was learned of the candidate before is forgotten, and its calibration stays. The
  /// result goes live as one generation, which is returned.
  ///
  /// Throws `invalidArgument` for no name, an empty data set, a candidate without outcomes or a `strength` that is
  /// not above 0, `notFound` for an unknown candidate or one that was removed meanwhile, `conflict` if the router's
  /// weights or a named candidate were replaced meanwhile, and as `score`, naming the sample. The router is then as it
  /// was.
  @discardableResult
  public func fit(
    candidates names: [String], on data: DataSet, strength: Double = 8
  ) throws(ARMSError) -> UInt64 {
    guard strength.isFinite, strength > 0 else {
      throw ARMSError(.invalidArgument, "strength is \(strength); a number above 0 is wanted")
    }
    guard !names.isEmpty else {
      throw ARMSError(.invalidArgument, "no candidate is named; name one at least")
    }
    let (snapshot, samples) = (snapshots.load(), try data.samples)
    try snapshot.check(samples)
    var wanted = snapshot.pools.map { _ in Set<String>() }
    for name in names { wanted[try snapshot.place(of: name).pool].insert(name) }
    var fits: [String: LearnedCandidate] = [:]
    for (number, own) in wanted.enumerated() {
      guard !own.isEmpty else { continue }
      let outcomes = try outcomes(of: own, samples, snapshot.model, number: number)
      for name in own {
        guard let known = outcomes[name] else {
          throw ARMSError(
            .invalidArgument,
            "candidate \(quoted(name)) has no outcome in the data set; one at least is wanted")
        }
        fits[name] = try snapshot.fit(name, to: known, among: own, strength: strength)
      }
    }
    return try learn(fits, since: snapshot)
  }

  /// Makes what candidates of `snapshot` learned the next generation, if they are still the same ones.
  func learn(_ fits: [String: LearnedCandidate], since snapshot: RouterSnapshot) throws(ARMSError) -> UInt64 {
    try snapshots.update { (current) throws(ARMSError) in
      try current.checkModel(of: snapshot)
      for name in fits.keys.sorted() { try current.checkCandidate(name, of: snapshot) }
      return current.next(
        try zip(current.pools, current.model.networks).map { (pool, network) throws(ARMSError) in
          try pool.learning(fits, classifier: network.head.classifier, on: engine)
        })
    }.generation
  }

  /// The outcomes of the named candidates, all of pool `number`.
  private func outcomes(
    of names: Set<String>, _ samples: [Sample], _ model: RouterModel, number: Int
  ) throws(ARMSError) -> [String: CandidateFit.Outcomes] {
    let width = model.networks[number].head.classifier.sharedWidth
    func isWanted(_ sample: Sample) -> Bool { sample.outcomes.contains { names.contains($0.candidate) } }
    var outcomes: [String: CandidateFit.Outcomes] = [:]
    try forEachFused(samples, of: model, number: number, where: isWanted) {
      (sample, vector) throws(ARMSError) in
      for outcome in sample.outcomes where names.contains(outcome.candidate) {
        let values = UnsafeBufferPointer(start: vector, count: width)
        outcomes[outcome.candidate, default: .init()].vectors.append(contentsOf: values.lazy.map(Double.init))
        outcomes[outcome.candidate, default: .init()].labels.append(Double(outcome.label))
        outcomes[outcome.candidate, default: .init()].weights.append(Double(outcome.weight))
      }
    }
    return outcomes
  }
}

/// What a candidate learned of its own.
struct LearnedCandidate {
  /// `delta_j`, `[d_t]`
  let delta: [Float]
  /// `beta_j`
  let beta: Float
}

extension RouterSnapshot {
  /// Fits a candidate. The usual offset is that of the candidates that are not being fitted.
  fileprivate func fit(
    _ name: String, to outcomes: CandidateFit.Outcomes, among fitted: Set<String>, strength: Double
  ) throws(ARMSError) -> LearnedCandidate {
    let (number, index) = try place(of: name)
    let (pool, classifier) = (pools[number], model.networks[number].head.classifier)
    let others = pool.candidates.filter { !fitted.contains($0.name) }
    let usual = others.reduce(0) { $0 + Double($1.beta) } / Double(max(1, others.count))
    let embedding = UnsafeBufferPointer(
      start: pool.embeddings + index * pool.embeddingWidth, count: pool.embeddingWidth)
    let fit = CandidateFit(
      weight: try model.networks[number].head.candidateWeight(), embedding: embedding.map(Double.init),
      head: CandidateFit.Head(classifier.logit), cosineEpsilon: Double(classifier.cosineEpsilon),
      usualOffset: usual, strength: strength)
    let (delta, beta) = fit.fit(outcomes)
    let learned = LearnedCandidate(delta: delta.map { Float($0) }, beta: Float(beta))
    guard learned.beta.isFinite, learned.delta.allSatisfy(\.isFinite) else {
      throw ARMSError(
        .notFinite, "candidate \(quoted(name)): its fit is not finite; check the model file's weights")
    }
    return learned
  }
}

extension CandidateFit.Head {
  fileprivate init(_ logit: Classifier.Logit) {
    switch logit {
    case .paper(_, _, let least, let largest): self = .paper(least: Double(least), largest: Double(largest))
    case .scaled(let alpha): self = .scaled(alpha: Double(alpha.pointee))
    }
  }
}

extension Head {
  /// `W_m`, `[r, d_t]`, in whatever type the file holds it.
  fileprivate func candidateWeight() throws(ARMSError) -> [Double] {
    guard let parameter = parameters.first(where: { $0.name.hasSuffix("classifier.candidate.weight") }) else {
      throw ARMSError(.internal, "the head has no classifier.candidate.weight")
    }
    let values = [Float](unsafeUninitializedCapacity: parameter.count) { buffer, count in
      if let start = buffer.baseAddress { parameter.copy(into: start) }
      count = parameter.count
    }
    return values.map(Double.init)
  }
}

extension CandidatePool {
  /// These candidates with what some of them learned, by name.
  fileprivate func learning(
    _ learned: [String: LearnedCandidate], classifier: Classifier, on engine: Engine
  ) throws(ARMSError) -> CandidatePool {
    guard candidates.contains(where: { learned[$0.name] != nil }) else { return self }
    let changed = candidates.map { candidate in
      var candidate = candidate
      if let own = learned[candidate.name] { candidate.beta = own.beta }
      return candidate
    }
    let deltas = try AlignedBuffer(Float.self, count: count * embeddingWidth, purpose: "\(count) candidates")
    let target = deltas.pointer(to: Float.self)
    target.update(from: self.deltas, count: count * embeddingWidth)
    for (index, candidate) in candidates.enumerated() {
      guard let own = learned[candidate.name] else { continue }
      for (column, value) in own.delta.enumerated() { target[index * embeddingWidth + column] = value }
    }
    return try CandidatePool(
      changed, embeddings: embeddings, deltas: target, classifier: classifier, on: engine
    ).counting(choices)
  }
}
