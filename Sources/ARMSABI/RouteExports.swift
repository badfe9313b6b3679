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
    guard let query else { throw ARMSError(.invalidArgument, "query is NULL; a query is wanted") }
    let asked = try convert(try read(query, empty: arms_query(), "query"), "query")
    var options = try routeOptions(options)
    let out = try required(decision, "decision")
    _ = try structSize(out, minimum: MemoryLayout<arms_decision>.size, "decision")
    var list: HostArray<arms_ranked>?
    if ranked != nil || capacity != 0 { list = try HostArray(ranked, capacity, "ranked") }
    options.rankedLimit = list?.capacity ?? 0
    let chosen = try router.route(asked, options)
    for (index, entry) in chosen.ranked.enumerated() { list?.write(convert(entry), at: index) }
    try write(convert(chosen), to: out, "decision")
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
    let columns = try required(columns, "columns")
    var asked: [Query] = []
    for (index, query) in try readAll(queries, queryCount, empty: arms_query(), "queries").enumerated() {
      asked.append(try convert(query, "queries[\(index)]"))
    }
    let (names, output) = try scoreOptions(options)
    var found = 0
    do throws(ARMSError) {
      let scored = try router.score(asked, candidates: names, output: output) {
        (count) throws(ARMSError) -> UnsafeMutablePointer<Float>? in
        let (needed, overflow) = asked.count.multipliedReportingOverflow(by: count)
        guard !overflow else {
          throw ARMSError(.limitExceeded, "\(asked.count) x \(count) scores are too many")
        }
        found = count
        var total = 0
        return try hasRoom(scores, capacity, for: needed, &total, "scores") ? scores : nil
      }
      columns.pointee = found
      generation?.pointee = scored
    } catch {
      if error.code == .bufferTooSmall { columns.pointee = found }
      throw error
    }
  }
}

private func scoreOptions(
  _ pointer: UnsafePointer<arms_score_options>?
) throws(ARMSError) -> ([String]?, ScoreOutput) {
  guard let pointer else { return (nil, .confidence) }
  let options = try read(pointer, empty: arms_score_options(), "options")
  let names =
    options.names == nil && options.name_count == 0
    ? nil : try strings(options.names, options.name_count, "options.names")
  switch arms_score_output(options.output) {
  case ARMS_SCORE_CONFIDENCE: return (names, .confidence)
  case ARMS_SCORE_LOGIT: return (names, .logit)
  default:
    throw ARMSError(
      .invalidArgument, "options.output is \(options.output); 0 or 1 is wanted, see arms_score_output")
  }
}

/// A query of the host, its struct already read.
private func convert(_ query: arms_query, _ label: String) throws(ARMSError) -> Query {
  let count = Int(query.image_count)
  var images: [Query.Image] = []
  if let encoded = query.encoded_images {
    guard query.images == nil else {
      throw ARMSError(.invalidArgument, "\(label) has images and encoded_images; give one of them")
    }
    for index in 0..<count {
      images.append(
        .encoded(
          try object(encoded[index], .image, as: EncodedImage.self, "\(label).encoded_images[\(index)]")))
    }
  } else {
    for (index, image) in try readAll(query.images, count, empty: arms_image_input(), "\(label).images")
      .enumerated()
    {
      images.append(.input(try convert(image, "\(label).images[\(index)]")))
    }
  }
  return Query(try question(query, label), images: images)
}

private func question(_ query: arms_query, _ label: String) throws(ARMSError) -> Query.Question {
  let given = (query.text != nil ? 1 : 0) + (query.tokens != nil ? 1 : 0) + (query.question != nil ? 1 : 0)
  guard given == 1 else {
    throw ARMSError(
      .invalidArgument, "\(label) has \(given) questions; give one of text, tokens and question")
  }
  if let tokens = query.tokens {
    guard query.token_count >= 0 else {
      throw ARMSError(.invalidArgument, "\(label).token_count is more than half the address space")
    }
    return .tokens(UnsafeBufferPointer(start: tokens, count: query.token_count))
  }
  if let question = query.question {
    return .encoded(try object(question, .question, as: EncodedQuestion.self, "\(label).question"))
  }
  return .utf8(try text(query.text, query.text_length, "\(label).text"))
}

private func routeOptions(_ pointer: UnsafePointer<arms_route_options>?) throws(ARMSError) -> RouteOptions {
  guard let pointer else { return RouteOptions() }
  let options = try read(pointer, empty: arms_route_options(), "options")
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
  if options.allowed != nil || options.allowed_count != 0 {
    result.allowed = try strings(options.allowed, options.allowed_count, "options.allowed")
  }
  if let second = options.second { result.second = try router(second, "options.second") }
  return result
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

private func convert(_ decision: Decision) -> arms_decision {
  var result = arms_decision()
  if decision.name == nil { result.flags |= UInt32(ARMS_DECISION_ABSTAINED.rawValue) }
  if decision.questionTokens < decision.questionTokensTotal {
    result.flags |= UInt32(ARMS_DECISION_QUESTION_TRUNCATED.rawValue)
  }
  if decision.usedSecondRouter { result.flags |= UInt32(ARMS_DECISION_SECOND_ROUTER.rawValue) }
  write(decision.name ?? "", to: &result.name)
  result.confidence = decision.confidence
  result.utility = decision.utility
  result.generation = decision.generation
  result.ranked_count = UInt64(clamping: decision.rankedCount)
  result.question_tokens = UInt32(clamping: decision.questionTokens)
  result.question_tokens_total = UInt32(clamping: decision.questionTokensTotal)
  result.expert_count = UInt32(clamping: decision.gate.count)
  result.second_expert_count = UInt32(clamping: decision.secondGate.count)
  write(decision.gate, to: &result.gate)
  write(decision.secondGate, to: &result.second_gate)
  return result
}

/// Writes floats into a fixed array, as many as it holds.
private func write<Field>(_ values: [Float], to field: inout Field) {
  withUnsafeMutableBytes(of: &field) { bytes in
    let floats = bytes.bindMemory(to: Float.self)
    for (index, value) in values.prefix(floats.count).enumerated() { floats[index] = value }
  }
}
