import Glibc

/// Binary cross-entropy on the logits `t_ij` of the outcomes that are known (Eq. 1), weighted:
/// `sum w (max(t, 0) - t y + log(1 + e^-|t|)) / sum w`.
struct OutcomeLoss {
  /// What the weights of outcomes with label 0 and 1 are multiplied by.
  let classWeights: (negative: Float, positive: Float)

  /// Both labels alike.
  static let unbalanced = OutcomeLoss(classWeights: (1, 1))

  /// Weights with which both labels count as much over all of `samples`; as they are if there is only one.
  static func balanced(over samples: [EncodedSample]) -> OutcomeLoss {
    var (negative, positive) = (0.0, 0.0)
    for sample in samples {
      for outcome in sample.outcomes {
        if outcome.label == 1 {
          positive += Double(outcome.weight)
        } else {
          negative += Double(outcome.weight)
        }
      }
    }
    guard negative > 0, positive > 0 else { return .unbalanced }
    let half = (negative + positive) / 2
    return OutcomeLoss(classWeights: (Float(half / negative), Float(half / positive)))
  }

  /// The weight of an outcome.
  func weight(of outcome: EncodedOutcome) -> Float {
    outcome.weight * (outcome.label == 1 ? classWeights.positive : classWeights.negative)
  }

  /// The weights of the samples at `places` together.
  func totalWeight(_ samples: [EncodedSample], at places: some Sequence<Int>) -> Double {
    places.reduce(0) { total, place in samples[place].outcomes.reduce(total) { $0 + Double(weight(of: $1)) } }
  }

  /// The loss of one outcome, not yet weighted.
  static func value(logit: Float, label: Float) -> Float {
    max(logit, 0) - logit * label + log1pf(expf(-abs(logit)))
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
      let (logit, weight) = (logits[index], weight(of: outcome))
      sum += Double(weight * Self.value(logit: logit, label: outcome.label))
      dy[index] = weight * scale * (1 / (1 + expf(-logit)) - outcome.label)
    }
    return sum
  }
}
