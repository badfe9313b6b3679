extension Router {
  /// Chooses a candidate for a query.
  ///
  /// Candidates that are disabled, not allowed, above a ceiling, or that take fewer images than the query
  /// has, are left out.
  ///
  /// Throws `noCandidates`, `missingValue`, `notFound` for a name that is allowed but not there, what the
  /// encodings throw, and `invalidArgument`.
  public func route(_ query: Query, _ options: RouteOptions = RouteOptions()) throws(ARMSError) -> Decision {
    try measuringRoute { () throws(ARMSError) in
      try [query].withViews { (views) throws(ARMSError) in
        try engine.execute { (execution) throws(ARMSError) in
          let allowed = try options.allowed.map { (names) throws(ARMSError) in
            try execution.arena.names(names)
          }
          return Decision(try route(views, options, allowed: allowed, on: execution))
        }
      }
    }
  }

  /// Chooses a candidate for the only query of `queries`, without taking memory but scratch.
  ///
  /// The names to choose from are `allowed`, nil for all, in place of the options' own. The decision is valid
  /// until `execution` ends. Throws as ``route(_:_:)``.
  package func route(
    _ queries: UnsafeBufferPointer<QueryView>, _ options: RouteOptions,
    allowed: UnsafeBufferPointer<NameBytes>?, on execution: Execution
  ) throws(ARMSError) -> DecisionView {
    let decision = try decide(queries, options, allowed: allowed, on: execution)
    count(decision)
    countReused(queries)
    return decision
  }

  private func count(_ decision: DecisionView) {
    counters.add(.routes)
    if decision.isChosen { decision.choice.add() } else { counters.add(.abstentions) }
    if !decision.secondGate.isEmpty { counters.add(.secondRouter) }
    if decision.tokens.read < decision.tokens.total { counters.add(.truncatedQuestions) }
    if decision.ignoredImages { counters.add(.ignoredImages) }
  }

  private func decide(
    _ queries: UnsafeBufferPointer<QueryView>, _ options: RouteOptions,
    allowed: UnsafeBufferPointer<NameBytes>?, on execution: Execution
  ) throws(ARMSError) -> DecisionView {
    try options.validate()
    let stages = try stages(options)
    var selection = try Selection(queries[0], options, allowed: allowed, stages, on: execution)
    let first = try selection.eligible(stages.first)
    let second = try stages.second.map { (stage) throws(ARMSError) in try selection.eligible(stage) }
    try selection.checkAllowed()
    var fusion = QueryFusion(queries, model: stages.first.snapshot.model, limits: limits, on: execution)
    if !first.isEmpty {
      try selection.add(stages.first, first, fusion: &fusion)
      if let theta = theta(options, stages.first), selection.staysInFirst(theta: theta) {
        return try selection.decision()
      }
    }
    if let stage = stages.second, let second, !second.isEmpty {
      if stage.snapshot !== stages.first.snapshot {
        fusion = QueryFusion(queries, model: stage.snapshot.model, limits: limits, on: execution)
      }
      try selection.add(stage, second, fusion: &fusion)
    }
    return try selection.decision()
  }

  /// The pools in the order of the cascade: this file's, and another file's first if the options name one.
  private func stages(_ options: RouteOptions) throws(ARMSError) -> Stages {
    let snapshot = snapshots.load()
    var second = snapshot.model.networks.count > 1 ? Stage(1, snapshot, pool: 1) : nil
    if let other = options.second {
      guard other !== self else {
        throw ARMSError(.invalidArgument, "the second router is the first one; name another, or none")
      }
      second = Stage(1, other.snapshots.load(), pool: 0)
    }
    if case .cascade = options.policy, second == nil {
      throw ARMSError(
        .invalidArgument,
        "the cascade needs a second router: name one in the options, or open a model file that holds two")
    }
    return Stages(first: Stage(0, snapshot, pool: 0), second: second)
  }

  /// The cascade's threshold; nil for another policy.
  private func theta(_ options: RouteOptions, _ first: Stage) -> Float? {
    guard case .cascade(let theta) = options.policy else { return nil }
    return theta ?? first.snapshot.model.defaultTheta
  }
}

extension RouteOptions {
  /// Throws if a number is NaN or out of range.
  fileprivate func validate() throws(ARMSError) {
    func check(
      _ label: String, _ value: Double?, _ range: ClosedRange<Double>, _ wanted: String
    ) throws(ARMSError) {
      guard let value else { return }
      guard !value.isNaN else { throw ARMSError(.notFinite, "\(label) is NaN; a number is wanted") }
      guard range.contains(value) else {
        throw ARMSError(.invalidArgument, "\(label) is \(value); \(wanted) is wanted")
      }
    }
    func checkShare(_ label: String, _ value: Float?) throws(ARMSError) {
      try check(label, value.map(Double.init), 0...1, "0 to 1")
    }
    func checkWorth(_ label: String, _ value: Double?) throws(ARMSError) {
      try check(label, value, 0...Double.greatestFiniteMagnitude, "a finite number of 0 or more")
    }
    guard rankedLimit >= 0 else {
      throw ARMSError(.invalidArgument, "the ranked list's limit is \(rankedLimit); 0 or more is wanted")
    }
    try checkShare("abstain_below", abstainBelow)
    try checkWorth("max_cost", maxCost)
    try checkWorth("max_latency", maxLatency)
    switch policy {
    case .confidence: break
    case .cascade(let theta): try checkShare("theta", theta)
    case .utility(let lambda, let mu):
      try checkWorth("lambda", lambda)
      try checkWorth("mu", mu)
    }
  }
}
