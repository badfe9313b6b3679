/// What was chosen for a query, in the scratch memory of the call: a ``Decision`` before it is copied out.
package struct DecisionView {
  let stages: Stages
  let ranking: Ranking
  /// Whether the best one was good enough to be chosen.
  let isChosen: Bool
  /// Entries of the whole ranked list.
  package var rankedCount: Int { ranking.count }
  /// Entries that ``ranked(_:)`` gives.
  package let rankedLimit: Int
  /// `p_i`: the gate's probabilities.
  package let gate: UnsafeBufferPointer<Float>
  /// The same of the second router; empty if its pool was not computed.
  package let secondGate: UnsafeBufferPointer<Float>
  /// Tokens of the question: read, and before truncation.
  package let tokens: (read: Int, total: Int)

  /// Whether the query has images that a router which took part has no encoder for.
  package let ignoredImages: Bool

  /// The chosen candidate's name; nil when nobody was good enough.
  package var name: String? { isChosen ? ranked(0).name : nil }
  /// `c_ij` of the chosen one; of the best one if nobody was chosen.
  package var confidence: Float { ranking[0].confidence }
  /// What the policy maximised.
  package var utility: Float { ranking[0].utility }
  /// The generation of the candidates that were compared.
  package var generation: UInt64 { stages.first.snapshot.generation }

  /// The counter of the best candidate.
  var choice: ChoiceCounter { stage(of: ranking[0]).pool.choices[ranking[0].index] }

  private func stage(of entry: Ranking.Entry) -> Stage {
    entry.stage == 0 ? stages.first : stages.second ?? stages.first
  }

  /// An entry of the ranked list, best first.
  package func ranked(_ rank: Int) -> RankedCandidate {
    let entry = ranking[rank]
    let stage = stage(of: entry)
    return RankedCandidate(
      name: stage.pool.candidates[entry.index].name, router: entry.stage, confidence: entry.confidence,
      logit: entry.logit, utility: entry.utility)
  }
}

extension Decision {
  init(_ view: DecisionView) {
    self.init(
      name: view.name, confidence: view.confidence, utility: view.utility,
      ranked: (0..<view.rankedLimit).map(view.ranked), rankedCount: view.rankedCount,
      gate: Array(view.gate), secondGate: Array(view.secondGate), generation: view.generation,
      questionTokens: view.tokens.read, questionTokensTotal: view.tokens.total,
      ignoredImages: view.ignoredImages)
  }
}
