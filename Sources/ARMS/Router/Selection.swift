/// Collects the scored candidates of one query and chooses among them.
struct Selection {
  /// Indices of the candidates of a stage's pool that may be chosen.
  typealias Eligible = UnsafeBufferPointer<Int>

  private let query: QueryView
  private let options: RouteOptions
  private let allowed: UnsafeBufferPointer<NameBytes>?
  private let stages: Stages
  private let execution: Execution
  private var ranking: Ranking
  private var gates = (
    first: UnsafeBufferPointer<Float>(start: nil, count: 0),
    second: UnsafeBufferPointer<Float>(start: nil, count: 0)
  )
  private var tokens = (read: 0, total: 0)
  private var ignoredImages = false
  private var excluded = Excluded()

  /// Makes a selection without candidates; nil for `allowed` allows all.
  init(
    _ query: QueryView, _ options: RouteOptions, allowed: UnsafeBufferPointer<NameBytes>?, _ stages: Stages,
    on execution: Execution
  ) throws(ARMSError) {
    self.query = query
    self.options = options
    self.allowed = allowed
    self.stages = stages
    self.execution = execution
    ranking = try Ranking(
      capacity: stages.first.pool.count + (stages.second?.pool.count ?? 0), in: execution.arena)
  }

  /// The candidates of a stage that may be chosen.
  ///
  /// Throws `missingValue`, naming the candidate, if the policy or a ceiling needs what one lacks.
  mutating func eligible(_ stage: Stage) throws(ARMSError) -> Eligible {
    let indices = try execution.arena.allocate(Int.self, stage.pool.count)
    let marks = try allowed.map { (names) throws(ARMSError) in
      try stage.marks(names, in: execution.arena)
    }
    var count = 0
    for (index, candidate) in stage.pool.candidates.enumerated() {
      let isAllowed = marks.map { $0[index] } ?? true
      if let reason = reason(against: candidate, isAllowed: isAllowed) {
        excluded[reason] += 1
        continue
      }
      try checkValues(of: candidate)
      indices[count] = index
      count += 1
    }
    return Eligible(start: indices, count: count)
  }

  /// Throws `notFound` if a name that is allowed is in none of the pools.
  func checkAllowed() throws(ARMSError) {
    guard let allowed else { return }
    var missing: String?
    for name in allowed where stages.first.index(of: name) == nil && stages.second?.index(of: name) == nil {
      let text = String(decoding: name, as: UTF8.self)
      missing = min(missing ?? text, text)
    }
    if let missing {
      throw ARMSError(
        .notFound, "the allow-list names \(quoted(missing)), which is no candidate of the pools of this call")
    }
  }

  /// Scores the eligible candidates of one stage.
  mutating func add(
    _ stage: Stage, _ eligible: Eligible, fusion: inout QueryFusion
  ) throws(ARMSError) {
    let (fused, questions) = try fusion.fuse(stage.network)
    if stage.network.image == nil, !query.images.isEmpty { ignoredImages = true }
    let logits = try execution.arena.allocate(Float.self, stage.pool.count)
    try stage.pool.score(
      fused.vectors, classifier: stage.network.head.classifier, output: .logit, out: logits, on: execution)
    let gate = UnsafeBufferPointer(start: fused.gate, count: stage.network.head.gate.experts)
    if stage.number == 0 { gates.first = gate } else { gates.second = gate }
    if stage.number == 0 || tokens.read == 0 { tokens = (questions.tokens[0], questions.totals[0]) }
    for index in eligible {
      let candidate = stage.pool.candidates[index]
      let calibrated = calibrated(
        logit: logits[index], temperature: candidate.temperature, bias: candidate.bias)
      let confidence = confidence(calibrated)
      ranking.append(
        Ranking.Entry(
          stage: stage.number, index: index, logit: logits[index], calibrated: calibrated,
          confidence: confidence, utility: try utility(of: candidate, confidence)))
    }
  }

  /// Algorithm 1, line 3: whether the first pool's best confidence is above theta.
  func staysInFirst(theta: Float) -> Bool { ranking.hasConfidence(above: theta) }

  /// The choice among all that were scored.
  func decision() throws(ARMSError) -> DecisionView {
    guard ranking.count > 0 else {
      throw ARMSError(.noCandidates, "no candidate is left to choose from: \(excluded)")
    }
    ranking.order(max(options.rankedLimit, 1))
    return DecisionView(
      stages: stages, ranking: ranking, isChosen: !(ranking[0].confidence < options.abstainBelow),
      rankedLimit: min(options.rankedLimit, ranking.count), gate: gates.first, secondGate: gates.second,
      tokens: tokens, ignoredImages: ignoredImages)
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

  /// Why a candidate may not be chosen; nil if it may.
  ///
  /// Both ceilings come before any value is missed: who is above one is out, whatever else is unknown.
  private func reason(against candidate: Candidate, isAllowed: Bool) -> Excluded.Reason? {
    if !candidate.isEnabled { return .disabled }
    if !isAllowed { return .notAllowed }
    if let most = candidate.maxImages, query.images.count > most { return .takesFewerImages }
    if isAbove(options.maxCost, candidate.cost) { return .aboveMaxCost }
    if isAbove(options.maxLatency, candidate.latency) { return .aboveMaxLatency }
    return nil
  }

  /// Whether a value that is known is above a ceiling that is set.
  private func isAbove(_ ceiling: Double?, _ value: Double?) -> Bool {
    guard let ceiling, let value else { return false }
    return value > ceiling
  }

  /// Throws `missingValue` if the policy or a ceiling needs what the candidate lacks.
  private func checkValues(of candidate: Candidate) throws(ARMSError) {
    if candidate.cost == nil, options.maxCost != nil { throw missing("cost", candidate.name, "max_cost") }
    if candidate.latency == nil, options.maxLatency != nil {
      throw missing("latency", candidate.name, "max_latency")
    }
    guard case .utility(let lambda, let mu) = options.policy else { return }
    if candidate.cost == nil, lambda > 0 { throw missing("cost", candidate.name, "lambda") }
    if candidate.latency == nil, mu > 0 { throw missing("latency", candidate.name, "mu") }
  }

  private func missing(_ value: String, _ name: String, _ reason: String) -> ARMSError {
    ARMSError(
      .missingValue,
      "\(reason) needs the \(value) of candidate \(quoted(name)), which is unknown; "
        + "set it or leave the candidate out")
  }
}
