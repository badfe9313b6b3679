/// How a candidate is chosen.
public enum Policy: Sendable, Equatable {
  /// The highest confidence, of both pools if there are two.
  case confidence
  /// The paper's Algorithm 1 with its threshold theta; nil: the model file's, or 0.5.
  case cascade(theta: Float?)
  /// The highest utility `c_ij - lambda cost_j - mu latency_j`.
  case utility(lambda: Double, mu: Double)
}

/// What a route is to observe beside its policy.
public struct RouteOptions: Sendable {
  /// How a candidate is chosen.
  public var policy: Policy
  /// Nobody is chosen when the chosen one's confidence would be below; 0: never.
  public var abstainBelow: Float = 0
  /// Candidates that cost more US dollars a query are left out; nil: no ceiling.
  public var maxCost: Double?
  /// Candidates that take more milliseconds are left out; nil: no ceiling.
  public var maxLatency: Double?
  /// The names to choose from; nil: all.
  public var allowed: [String]?
  /// Another file's router, whose candidates are the second pool, whatever the policy; nil: the file's own.
  public var second: Router?
  /// Entries of the ranked list that are wanted.
  public var rankedLimit = Int.max

  /// Options with the given policy and no restrictions.
  public init(policy: Policy = .confidence) { self.policy = policy }
}

/// What was chosen for a query, and why.
public struct Decision: Sendable {
  /// The chosen candidate's name; nil when nobody was good enough.
  public let name: String?
  /// `c_ij` of the chosen one; of the best one if nobody was chosen.
  public let confidence: Float
  /// What the policy maximised.
  public let utility: Float
  /// Best first: what may be asked if the chosen one fails.
  public let ranked: [RankedCandidate]
  /// Entries of the whole ranked list.
  public let rankedCount: Int
  /// `p_i`: the gate's probabilities.
  public let gate: [Float]
  /// The same of the second router; empty if its pool was not computed.
  public let secondGate: [Float]
  /// The generation of the candidates that were compared.
  public let generation: UInt64
  /// Tokens of the question that were read, [CLS] and [SEP] included.
  public let questionTokens: Int
  /// Tokens of the question before truncation.
  public let questionTokensTotal: Int
  /// Whether the query has images that a router which took part has no encoder for: they were not looked at.
  public let ignoredImages: Bool

  /// Whether the second router's pool was computed.
  public var usedSecondRouter: Bool { !secondGate.isEmpty }
}

/// An entry of the ranked list.
public struct RankedCandidate: Sendable, Equatable {
  /// The candidate.
  public let name: String
  /// Whose pool it is in: 0 the first router's, 1 the second's.
  public let router: Int
  /// `c_ij`, calibrated.
  public let confidence: Float
  /// `t_ij`, not calibrated.
  public let logit: Float
  /// What the list is sorted by.
  public let utility: Float
  /// Whether the candidate is predicted to answer correctly: `c_ij > 0.5`.
  public var label: Bool { confidence > 0.5 }
}
