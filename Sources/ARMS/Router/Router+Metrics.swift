extension Router {
  /// What a router has done since it was opened.
  public struct Metrics: Sendable {
    /// Decisions made.
    public let routes: UInt64
    /// Calls of `score` that succeeded.
    public let scores: UInt64
    /// Queries that these scored.
    public let scoredQueries: UInt64
    /// Decisions for nobody.
    public let abstentions: UInt64
    /// Decisions for which the second router's pool was computed.
    public let secondRouter: UInt64
    /// Decisions about a question that was truncated.
    public let truncatedQuestions: UInt64
    /// Decisions about a query whose images a router had no encoder for.
    public let ignoredImages: UInt64
    /// Times that weights were replaced.
    public let reloads: UInt64
    /// Questions that came encoded, of queries that were routed or scored: hits of the host's own cache.
    public let reusedQuestions: UInt64
    /// Images that came encoded, of the same.
    public let reusedImages: UInt64
    /// Failures of routing, scoring, encoding and reloading, by kind.
    public let errors: [ARMSError.Code: UInt64]
    /// Times of each stage; those of scoring, encoding and of new candidates' profiles are among them.
    public let stages: [MetricStage: Histogram]
  }

  /// What the router has done. Takes no lock, and holds up nobody who routes.
  public var metrics: Metrics {
    let counters = engine.counters
    return Metrics(
      routes: counters.count(.routes), scores: counters.count(.scores),
      scoredQueries: counters.count(.scoredQueries), abstentions: counters.count(.abstentions),
      secondRouter: counters.count(.secondRouter), truncatedQuestions: counters.count(.truncatedQuestions),
      ignoredImages: counters.count(.ignoredImages), reloads: counters.count(.reloads),
      reusedQuestions: counters.count(.reusedQuestions), reusedImages: counters.count(.reusedImages),
      errors: Dictionary(
        uniqueKeysWithValues: ARMSError.Code.allCases.map { ($0, counters.errorCount(Int($0.rawValue))) }
      ).filter { $0.value > 0 },
      stages: Dictionary(uniqueKeysWithValues: MetricStage.allCases.map { ($0, counters.histogram($0)) }))
  }

  /// What the counters are added to.
  package var counters: Counters { engine.counters }

  /// Counts what came encoded with queries that were answered.
  func countReused(_ queries: UnsafeBufferPointer<QueryView>) {
    var (questions, images) = (0, 0)
    for query in queries {
      if case .encoded = query.question { questions += 1 }
      for image in query.images { if case .encoded = image { images += 1 } }
    }
    if questions > 0 { counters.add(.reusedQuestions, questions) }
    if images > 0 { counters.add(.reusedImages, images) }
  }

  /// Runs `body`, which routes, and takes its time or counts its error.
  package func measuringRoute<R>(_ body: () throws(ARMSError) -> R) throws(ARMSError) -> R {
    try counters.countingErrors { () throws(ARMSError) in try counters.measure(.route, body) }
  }
}
