import ARMS
public import CARMS

/// Chooses a candidate for a query. Documented in `arms.h`.
@_cdecl("arms_route") @implementation
public func arms_route(
  _ router: OpaquePointer?, _ query: UnsafePointer<arms_query>?,
  _ options: UnsafePointer<arms_route_options>?, _ decision: UnsafeMutablePointer<arms_decision>?,
  _ ranked: UnsafeMutablePointer<arms_ranked>?, _ capacity: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    try router.measuringRoute { () throws(ARMSError) in
      guard let query else { throw ARMSError(.invalidArgument, "query is NULL; a query is wanted") }
      try router.execute { (execution) throws(ARMSError) in
        let query = try read(query, "query")
        try HostQueries.check(query, "query")
        var asked = try HostQueries(capacity: 1, in: execution.arena)
        try asked.append(query, "query")
        var options = try routeOptions(options, in: execution.arena)
        let out = try required(decision, "decision")
        try structSize(out, "decision")
        var list: HostArray<arms_ranked>?
        if capacity != 0 { list = try HostArray(ranked, capacity, "ranked") }
        options.route.rankedLimit = list?.capacity ?? 0
        let chosen = try router.route(asked.views, options.route, allowed: options.allowed, on: execution)
        for rank in 0..<chosen.rankedLimit { list?.write(convert(chosen.ranked(rank)), at: rank) }
        try write(convert(chosen), to: out, "decision")
        extendLifetime(asked)
      }
    }
  }
}

/// Scores queries against candidates. Documented in `arms.h`.
@_cdecl("arms_score") @implementation
public func arms_score(
  _ router: OpaquePointer?, _ queries: UnsafePointer<arms_query>?, _ queryCount: Int,
  _ options: UnsafePointer<arms_score_options>?, _ scores: UnsafeMutablePointer<Float>?, _ capacity: Int,
  _ columns: UnsafeMutablePointer<Int>?, _ generation: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    try router.counters.countingErrors { () throws(ARMSError) in
      let columns = try required(columns, "columns")
      let given = try HostStructs(queries, queryCount, "queries")
      try router.execute { (execution) throws(ARMSError) in
        // Each is checked before memory is taken for so many.
        for index in 0..<given.count { try HostQueries.check(given[index], "queries[\(index)]") }
        var asked = try HostQueries(capacity: given.count, in: execution.arena)
        for index in 0..<given.count { try asked.append(given[index], "queries[\(index)]") }
        let (names, output) = try scoreOptions(options, in: execution.arena)
        var found = 0
        let scored = try router.score(asked.views, candidates: names, output: output, on: execution) {
          (count) throws(ARMSError) -> UnsafeMutablePointer<Float>? in
          let (needed, overflow) = given.count.multipliedReportingOverflow(by: count)
          guard !overflow else {
            throw ARMSError(.limitExceeded, "\(given.count) x \(count) scores are too many")
          }
          found = count
          return try hasRoom(scores, capacity, for: needed, reporting: count, to: columns, "scores")
            ? scores : nil
        }
        extendLifetime(asked)
        columns.pointee = found
        generation?.pointee = scored
      }
    }
  }
}

/// Writes the fused vector of a query. Documented in `arms.h`.
@_cdecl("arms_query_embedding") @implementation
public func arms_query_embedding(
  _ router: OpaquePointer?, _ query: UnsafePointer<arms_query>?, _ number: UInt32,
  _ embedding: UnsafeMutablePointer<Float>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    try router.counters.countingErrors { () throws(ARMSError) in
      guard let query else { throw ARMSError(.invalidArgument, "query is NULL; a query is wanted") }
      let count = try required(count, "required")
      try router.execute { (execution) throws(ARMSError) in
        let query = try read(query, "query")
        try HostQueries.check(query, "query")
        var asked = try HostQueries(capacity: 1, in: execution.arena)
        try asked.append(query, "query")
        var width = 0
        try router.embed(asked.views, number: Int(clamping: number), on: execution) {
          (needed) throws(ARMSError) -> UnsafeMutablePointer<Float>? in
          width = needed
          return try hasRoom(embedding, capacity, for: needed, to: count, "embedding") ? embedding : nil
        }
        extendLifetime(asked)
        count.pointee = width
      }
    }
  }
}

private func scoreOptions(
  _ pointer: UnsafePointer<arms_score_options>?, in arena: ScratchArena
) throws(ARMSError) -> (UnsafeBufferPointer<NameBytes>?, ScoreOutput) {
  guard let pointer else { return (nil, .confidence) }
  let options = try read(pointer, "options")
  let names =
    options.names == nil && options.name_count == 0
    ? nil : try ARMSABI.names(options.names, options.name_count, "options.names", in: arena)
  switch arms_score_output(options.output) {
  case ARMS_SCORE_CONFIDENCE: return (names, .confidence)
  case ARMS_SCORE_LOGIT: return (names, .logit)
  default:
    throw ARMSError(
      .invalidArgument, "options.output is \(options.output); 0 or 1 is wanted, see arms_score_output")
  }
}

private func routeOptions(
  _ pointer: UnsafePointer<arms_route_options>?, in arena: ScratchArena
) throws(ARMSError) -> (route: RouteOptions, allowed: UnsafeBufferPointer<NameBytes>?) {
  guard let pointer else { return (RouteOptions(), nil) }
  let options = try read(pointer, "options")
  var result = RouteOptions()
  switch arms_policy(options.policy) {
  case ARMS_POLICY_CONFIDENCE: result.policy = .confidence
  case ARMS_POLICY_CASCADE: result.policy = .cascade(theta: options.theta == 0 ? nil : options.theta)
  case ARMS_POLICY_UTILITY: result.policy = .utility(lambda: options.lambda, mu: options.mu)
  default:
    throw ARMSError(
      .invalidArgument, "options.policy is \(options.policy); 0 to 2 is wanted, see arms_policy")
  }
  result.abstainBelow = options.abstain_below
  result.maxCost = options.max_cost == 0 ? nil : options.max_cost
  result.maxLatency = options.max_latency == 0 ? nil : options.max_latency
  let allowed =
    options.allowed == nil && options.allowed_count == 0
    ? nil : try names(options.allowed, options.allowed_count, "options.allowed", in: arena)
  if let second = options.second { result.second = try router(second, "options.second") }
  return (result, allowed)
}

private func convert(_ entry: RankedCandidate) -> arms_ranked {
  var ranked = arms_ranked()
  ranked.router = UInt32(clamping: entry.router)
  write(entry.name, to: &ranked.name)
  ranked.confidence = entry.confidence
  ranked.logit = entry.logit
  ranked.utility = entry.utility
  ranked.label = entry.label ? 1 : 0
  return ranked
}

private func convert(_ decision: DecisionView) -> arms_decision {
  var result = arms_decision()
  if decision.name == nil { result.flags |= UInt32(ARMS_DECISION_ABSTAINED.rawValue) }
  if decision.tokens.read < decision.tokens.total {
    result.flags |= UInt32(ARMS_DECISION_QUESTION_TRUNCATED.rawValue)
  }
  if !decision.secondGate.isEmpty { result.flags |= UInt32(ARMS_DECISION_SECOND_ROUTER.rawValue) }
  if decision.ignoredImages { result.flags |= UInt32(ARMS_DECISION_IMAGES_IGNORED.rawValue) }
  write(decision.name ?? "", to: &result.name)
  result.confidence = decision.confidence
  result.utility = decision.utility
  result.generation = decision.generation
  result.ranked_count = UInt64(clamping: decision.rankedCount)
  result.question_tokens = UInt32(clamping: decision.tokens.read)
  result.question_tokens_total = UInt32(clamping: decision.tokens.total)
  result.expert_count = UInt32(clamping: decision.gate.count)
  result.second_expert_count = UInt32(clamping: decision.secondGate.count)
  write(decision.gate, to: &result.gate)
  write(decision.secondGate, to: &result.second_gate)
  return result
}

/// Writes floats into a fixed array, as many as it holds.
private func write<Field>(_ values: UnsafeBufferPointer<Float>, to field: inout Field) {
  withUnsafeMutableBytes(of: &field) { bytes in
    let floats = bytes.bindMemory(to: Float.self)
    for (index, value) in values.prefix(floats.count).enumerated() { floats[index] = value }
  }
}
