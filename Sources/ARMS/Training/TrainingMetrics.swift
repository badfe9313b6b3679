/// How well a router does on a data set.
public struct TrainingMetrics: Sendable, Equatable {
  /// The mean binary cross-entropy, weighted by the outcomes' weights alone.
  public var loss = 0.0
  /// Share of the known outcomes that the sign of the logit predicts.
  public var accuracy = 0.0
  /// Share of the queries whose candidate of the largest logit, among those with a known outcome, answered correctly:
  /// the paper's EM (section 5.1.2).
  public var exactMatch = 0.0
  /// Queries measured.
  public var queries = 0
  /// Outcomes measured.
  public var outcomes = 0
}

/// How far a run is.
public struct TrainingProgress: Sendable, Equatable {
  /// From 0.
  public var epoch: Int
  /// Steps made.
  public var step: Int
  /// Steps of the whole run.
  public var steps: Int
  /// The loss of the last batch.
  public var loss: Double
  /// The learning rate of the last step.
  public var learningRate: Double
  /// At the end of an epoch, if there is validation data.
  public var validation: TrainingMetrics?
}

/// What metrics are made of.
struct MetricSums {
  private var loss = 0.0
  private var weight = 0.0
  private var predicted = 0
  private var outcomes = 0
  private var queries = 0
  private var chosenCorrectly = 0

  /// Adds a query: its known outcomes, and the scores of all candidates, which are logits or confidences.
  mutating func add(_ known: [EncodedOutcome], scores: UnsafePointer<Float>, are output: ScoreOutput) {
    var best: EncodedOutcome?
    let undecided: Float = output == .logit ? 0 : 0.5
    for outcome in known {
      let score = scores[outcome.candidate]
      let weight = Double(outcome.weight)
      let value =
        output == .logit
        ? OutcomeLoss.value(logit: score, label: outcome.label)
        : OutcomeLoss.value(confidence: score, label: outcome.label)
      loss += weight * Double(value)
      self.weight += weight
      predicted += (score > undecided) == (outcome.label == 1) ? 1 : 0
      outcomes += 1
      // Of equals routing takes the first of the pool.
      let isBetter = best.map { other in
        let highest = scores[other.candidate]
        return score > highest || score == highest && outcome.candidate < other.candidate
      }
      if isBetter ?? true { best = outcome }
    }
    queries += 1
    if best?.label == 1 { chosenCorrectly += 1 }
  }

  var metrics: TrainingMetrics {
    TrainingMetrics(
      loss: loss / weight, accuracy: Double(predicted) / Double(outcomes),
      exactMatch: Double(chosenCorrectly) / Double(queries), queries: queries, outcomes: outcomes)
  }
}
