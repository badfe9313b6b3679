import Glibc

/// Binary cross-entropy on the logits `t_ij` of the outcomes that are known (Eq. 1), weighted:
/// `sum w (max(t, 0) - t y + log(1 + e^-|t|)) / sum w`; and ``RoutingTerm``, if it is wanted.
struct OutcomeLoss {
  /// What the weights of outcomes with label 0 and 1 are multiplied by.
  let classWeights: (negative: Float, positive: Float)
  /// What is gained by choosing well; nil: nothing.
  var routing: RoutingTerm?

  init(classWeights: (negative: Float, positive: Float) = (1, 1), routing: RoutingTerm? = nil) {
    self.classWeights = classWeights
    self.routing = routing
  }

  /// Weights with which both labels count as much over all of `queries`; as they are if there is only one.
  static func balanced(over queries: [TrainingQuery], routing: RoutingTerm? = nil) -> OutcomeLoss {
    var (negative, positive) = (0.0, 0.0)
    for query in queries {
      for outcome in query.outcomes {
        positive += Double(outcome.weight * outcome.label)
        negative += Double(outcome.weight * (1 - outcome.label))
      }
    }
    guard negative > 0, positive > 0 else { return OutcomeLoss(routing: routing) }
    let half = (negative + positive) / 2
    return OutcomeLoss(classWeights: (Float(half / negative), Float(half / positive)), routing: routing)
  }

  /// The weight of an outcome. A label between 0 and 1 is a share of each.
  func weight(of outcome: EncodedOutcome) -> Float {
    outcome.weight * (outcome.label * classWeights.positive + (1 - outcome.label) * classWeights.negative)
  }

  /// The label that an outcome of that weight has: of a share of each, the one that is weighted more is more of it.
  func label(of outcome: EncodedOutcome) -> Float {
    let (right, wrong) = (
      outcome.label * classWeights.positive, (1 - outcome.label) * classWeights.negative
    )
    return classWeights.positive == classWeights.negative ? outcome.label : right / (right + wrong)
  }

  /// The weights of the queries at `places` together.
  func totalWeight(_ queries: [TrainingQuery], at places: some Sequence<Int>) -> Double {
    places.reduce(0) { total, place in queries[place].outcomes.reduce(total) { $0 + Double(weight(of: $1)) } }
  }

  /// The loss of one outcome, not yet weighted.
  static func value(logit: Float, label: Float) -> Float {
    max(logit, 0) - logit * label + log1pf(expf(-abs(logit)))
  }

  /// The same in double.
  static func value(logit: Double, label: Double) -> Double {
    max(logit, 0) - logit * label + log1p(exp(-abs(logit)))
  }

  /// The same of a confidence, which may have been rounded to 0 or 1: the loss stays finite.
  static func value(confidence: Float, label: Float) -> Float {
    func information(_ share: Float) -> Float { -logf(max(share, .leastNormalMagnitude)) }
    return label * information(confidence) + (1 - label) * information(1 - confidence)
  }

  /// Writes the gradient of the logits, `[queries, candidates]`, 0 where no outcome is known, divided by
  /// `totalWeight`; returns the sum of the weighted losses, not divided.
  func gradient(
    _ batch: TrainingBatch, logits: UnsafePointer<Float>, candidates: Int, totalWeight: Double,
    into dy: UnsafeMutablePointer<Float>
  ) -> Double {
    dy.update(repeating: 0, count: batch.input.count * candidates)
    let scale = totalWeight > 0 ? Float(1 / totalWeight) : 0
    var sum = 0.0
    batch.forEachOutcome { row, outcome in
      let index = row * candidates + outcome.candidate
      let (logit, weight, label) = (logits[index], weight(of: outcome), label(of: outcome))
      sum += Double(weight * Self.value(logit: logit, label: label))
      dy[index] = weight * scale * (confidence(logit) - label)
    }
    guard let routing else { return sum }
    for (row, query) in batch.queries.enumerated() {
      let weight = query.outcomes.reduce(0) { $0 + self.weight(of: $1) }
      let start = row * candidates
      sum +=
        Double(weight)
        * routing.gradient(
          query.outcomes, logits: logits + start, scale: weight * scale, into: dy + start)
    }
    return sum
  }
}
