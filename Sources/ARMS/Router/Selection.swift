/// Collects the scored candidates of one query and chooses among them.
struct Selection {
  let query: Query
  let options: RouteOptions
  let generation: UInt64
  private let allowed: Set<String>?
  private var ranked: [RankedCandidate] = []
  private var gates: [[Float]] = [[], []]
  private var tokens = (read: 0, total: 0)

  init(query: Query, options: RouteOptions, generation: UInt64) {
    self.query = query
    self.options = options
    self.generation = generation
    allowed = options.allowed.map { Set($0) }
  }

  /// The indices of the candidates that may be chosen.
  ///
  /// Throws `missingValue`, naming the candidate, if the policy or a ceiling needs what one lacks.
  func eligible(_ pool: CandidatePool) throws(ARMSError) -> [Int] {
    var indices: [Int] = []
    for (index, candidate) in pool.candidates.enumerated() where candidate.isEnabled {
      if let allowed, !allowed.contains(candidate.name) { continue }
      if let most = candidate.maxImages, query.images.count > most { continue }
      if try isAbove(options.maxCost, candidate.cost, "cost", candidate.name) { continue }
      if try isAbove(options.maxLatency, candidate.latency, "latency", candidate.name) { continue }
      if case .utility(let lambda, let mu) = options.policy {
        if lambda > 0, candidate.cost == nil { throw missing("cost", candidate.name, "lambda") }
        if mu > 0, candidate.latency == nil { throw missing("latency", candidate.name, "mu") }
      }
      indices.append(index)
    }
    return indices
  }

  /// Throws `notFound` if a name that is allowed is in none of the pools.
  func checkAllowed(_ pools: [CandidatePool]) throws(ARMSError) {
    guard let allowed else { return }
    var missing = allowed
    for pool in pools {
      for candidate in pool.candidates { missing.remove(candidate.name) }
    }
    if let name = missing.min() {
      throw ARMSError(.notFound, "the allow-list names \(quoted(name)), which is no candidate of this router")
    }
  }

  /// Scores the eligible candidates of one stage.
  mutating func add(
    _ stage: Stage, _ eligible: [Int], number: Int, fusion: inout QueryFusion, on execution: Execution
  ) throws(ARMSError) {
    let (fused, questions) = try fusion.fuse(stage.network)
    let logits = try execution.arena.allocate(Float.self, stage.pool.count)
    try stage.pool.score(
      fused.vectors, classifier: stage.network.head.classifier, output: .logit, out: logits, on: execution)
    gates[number] = Array(UnsafeBufferPointer(start: fused.gate, count: stage.network.head.gate.experts))
    if number == 0 || tokens.read == 0 { tokens = (questions.tokens[0], questions.totals[0]) }
    ranked.reserveCapacity(ranked.count + eligible.count)
    for index in eligible {
      let candidate = stage.pool.candidates[index]
      let confidence = confidence(
        logit: logits[index], temperature: candidate.temperature, bias: candidate.bias)
      ranked.append(
        RankedCandidate(
          name: candidate.name, router: number, confidence: confidence, logit: logits[index],
          utility: try utility(of: candidate, confidence)))
    }
  }

  /// Algorithm 1, line 3: whether the first pool's best confidence is above theta.
  func staysInFirst(theta: Float) -> Bool { ranked.contains { $0.confidence > theta } }

  /// The choice among all that were scored.
  func decision() throws(ARMSError) -> Decision {
    // A stable order: of equals the one that was added first.
    let order = ranked.indices.sorted {
      ranked[$0].utility != ranked[$1].utility ? ranked[$0].utility > ranked[$1].utility : $0 < $1
    }
    guard let best = order.first.map({ ranked[$0] }) else {
      throw ARMSError(
        .noCandidates,
        "no candidate is left to choose from: all are disabled, not allowed, above a ceiling, "
          + "or take fewer images")
    }
    return Decision(
      name: best.confidence < options.abstainBelow ? nil : best.name, confidence: best.confidence,
      utility: best.utility, ranked: order.prefix(options.rankedLimit).map { ranked[$0] },
      rankedCount: order.count, gate: gates[0], secondGate: gates[1], generation: generation,
      questionTokens: tokens.read, questionTokensTotal: tokens.total)
  }

  private func utility(of candidate: Candidate, _ confidence: Float) throws(ARMSError) -> Float {
    guard case .utility(let lambda, let mu) = options.policy else { return confidence }
    let cost = lambda > 0 ? lambda * (candidate.cost ?? 0) : 0
    let latency = mu > 0 ? mu * (candidate.latency ?? 0) : 0
    let utility = Float(Double(confidence) - cost - latency)
    guard utility.isFinite else {
      throw ARMSError(
        .notFinite,
        "the utility of candidate \(quoted(candidate.name)) is \(utility): "
          + "lambda, mu, cost or latency is too large")
    }
    return utility
  }

  private func isAbove(
    _ ceiling: Double?, _ value: Double?, _ label: String, _ name: String
  ) throws(ARMSError) -> Bool {
    guard let ceiling else { return false }
    guard let value else { throw missing(label, name, "max_\(label)") }
    return value > ceiling
  }

  private func missing(_ value: String, _ name: String, _ reason: String) -> ARMSError {
    ARMSError(
      .missingValue,
      "\(reason) needs the \(value) of candidate \(quoted(name)), which is unknown; "
        + "set it or leave the candidate out")
  }
}
