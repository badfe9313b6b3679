extension Router {
  /// Chooses a candidate for a query.
  ///
  /// Candidates that are disabled, not allowed, above a ceiling, or that take fewer images than the query
  /// has, are left out.
  ///
  /// Throws `noCandidates`, `missingValue`, `notFound` for a name that is allowed but not there, what the
  /// encodings throw, and `invalidArgument`.
  public func route(_ query: Query, _ options: RouteOptions = RouteOptions()) throws(ARMSError) -> Decision {
    try options.validate()
    let stages = try stages(options)
    return try engine.execute { (execution) throws(ARMSError) in
      var selection = Selection(query: query, options: options, generation: stages[0].snapshot.generation)
      let eligible = try stages.map { (stage) throws(ARMSError) in try selection.eligible(stage.pool) }
      try selection.checkAllowed(stages.map(\.pool))
      var fusions = [QueryFusion([query], router: self, on: execution)]
      for (number, stage) in stages.enumerated() where !eligible[number].isEmpty {
        if stage.router !== self { fusions.append(QueryFusion([query], router: stage.router, on: execution)) }
        try selection.add(
          stage, eligible[number], number: number, fusion: &fusions[fusions.count - 1], on: execution)
        if number == 0, let theta = theta(options), selection.staysInFirst(theta: theta) { break }
      }
      return try selection.decision()
    }
  }

  /// The pools in the order of the cascade: this file's, and another file's first if the options name one.
  private func stages(_ options: RouteOptions) throws(ARMSError) -> [Stage] {
    func stages(of router: Router) -> [Stage] {
      let snapshot = router.snapshots.load()
      return zip(router.networks, snapshot.pools).map {
        Stage(router: router, snapshot: snapshot, network: $0, pool: $1)
      }
    }
    var result = stages(of: self)
    if let second = options.second {
      guard second !== self else {
        throw ARMSError(.invalidArgument, "the second router is the first one; name another, or none")
      }
      result = [result[0], stages(of: second)[0]]
    }
    if case .cascade = options.policy, result.count < 2 {
      throw ARMSError(
        .invalidArgument,
        "the cascade needs a second router: name one in the options, or open a model file that holds two")
    }
    return result
  }

  /// The cascade's threshold; nil for another policy.
  private func theta(_ options: RouteOptions) -> Float? {
    guard case .cascade(let theta) = options.policy else { return nil }
    return theta ?? defaultTheta
  }
}

/// One router of a route with its candidates.
struct Stage {
  let router: Router
  let snapshot: CandidateSnapshot
  let network: RouterNetwork
  let pool: CandidatePool
}

extension RouteOptions {
  /// Throws if a number is NaN or out of range.
  fileprivate func validate() throws(ARMSError) {
    func check(_ label: String, _ value: Double?, _ range: ClosedRange<Double>) throws(ARMSError) {
      guard let value else { return }
      guard !value.isNaN else { throw ARMSError(.notFinite, "\(label) is NaN; a number is wanted") }
      guard range.contains(value) else {
        throw ARMSError(
          .invalidArgument, "\(label) is \(value); \(range.lowerBound) to \(range.upperBound) is wanted")
      }
    }
    guard rankedLimit >= 0 else {
      throw ARMSError(.invalidArgument, "the ranked list's limit is \(rankedLimit); 0 or more is wanted")
    }
    let largest = Double.greatestFiniteMagnitude
    try check("abstain_below", Double(abstainBelow), 0...1)
    try check("max_cost", maxCost, 0...largest)
    try check("max_latency", maxLatency, 0...largest)
    switch policy {
    case .confidence: break
    case .cascade(let theta): try check("theta", theta.map(Double.init), 0...1)
    case .utility(let lambda, let mu):
      try check("lambda", lambda, 0...largest)
      try check("mu", mu, 0...largest)
    }
  }
}
