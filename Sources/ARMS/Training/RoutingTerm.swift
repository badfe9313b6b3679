import Glibc

/// The share of correct answers that routing by the logits gains, made smooth: `-gamma sum_j softmax(tau t)_j y_j` over
/// the candidates whose outcome is known.
///
/// Cross-entropy asks for each candidate's probability alone; a router is judged by whom it chooses. The expected
/// reward of a softmax policy is the smooth form of exact match (Sutton and Barto, Reinforcement Learning, 13.3), and of
/// a query of which one outcome is known it says nothing.
struct RoutingTerm: Sendable, Equatable {
  /// gamma
  let weight: Float
  /// tau
  let sharpness: Float

  /// Adds the term's gradient of one query, times `scale`, to `dy`, `[candidates]`; returns its value.
  ///
  /// With `p = softmax(tau t)` and `E = sum_j p_j y_j`: `d(-gamma E) / dt_j = -gamma tau p_j (y_j - E)`.
  func gradient(
    _ outcomes: [EncodedOutcome], logits: UnsafePointer<Float>, scale: Float,
    into dy: UnsafeMutablePointer<Float>
  ) -> Double {
    let largest = outcomes.reduce(-Float.infinity) { max($0, logits[$1.candidate]) }
    let powers = outcomes.map { expf(sharpness * (logits[$0.candidate] - largest)) }
    let total = powers.reduce(0, +)
    let expected = zip(powers, outcomes).reduce(0) { $0 + $1.0 * $1.1.label } / total
    for (power, outcome) in zip(powers, outcomes) {
      dy[outcome.candidate] -= scale * weight * sharpness * power / total * (outcome.label - expected)
    }
    return Double(-weight * expected)
  }
}
