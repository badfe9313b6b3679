import Glibc

/// What makes a confidence of a candidate's logit: `c = sigmoid(t / T + b)`.
///
/// Fitted by maximum likelihood on held-out outcomes (Platt 1999; Guo et al., arXiv 1706.04599, with a bias
/// beside the temperature), drawn towards a prior so that few outcomes do not decide alone.
struct Calibration: Sendable, Equatable {
  /// `1 / T`
  var slope = 1.0
  /// `b`
  var bias = 0.0

  var temperature: Double { 1 / slope }

  /// The slopes that are allowed: logits that say nothing, or the opposite, leave the smallest.
  static let slopes = 0.01...100.0
  /// The biases that are allowed: where all labels are alike and next to nothing holds it back, one would have no end.
  static let biases = -1e6...1e6

  /// An outcome whose logit is known.
  struct Observation: Sendable {
    let logit: Double
    /// 0 to 1
    let label: Double
    let weight: Double
  }

  /// The most likely calibration of `observations`.
  ///
  /// The prior counts as much as `strength` outcomes do. An outcome's Fisher information is `p (1 - p)`, at most
  /// 1/4, about the bias and t² times that about the slope, so the penalty is
  /// `strength / 8 ((b - b_0)² + mean(t²) (a - a_0)²)`. It makes the loss strictly convex.
  init(_ observations: [Observation], prior: Calibration = Calibration(), strength: Double) {
    let weight = observations.reduce(0) { $0 + $1.weight }
    self = prior
    guard weight > 0 else { return }
    let square = observations.reduce(0) { $0 + $1.weight * $1.logit * $1.logit } / weight
    let loss = PenalizedLoss(
      observations: observations, prior: prior, biasPenalty: strength / 4,
      slopePenalty: strength / 4 * max(square, 1e-12))
    self = loss.minimum(from: prior, slopeIsFree: true)
    if !Self.slopes.contains(slope) {
      slope = min(max(slope, Self.slopes.lowerBound), Self.slopes.upperBound)
      self = loss.minimum(from: self, slopeIsFree: false)
    }
    bias = min(max(bias, Self.biases.lowerBound), Self.biases.upperBound)
  }

  init(slope: Double = 1, bias: Double = 0) {
    self.slope = slope
    self.bias = bias
  }

  /// One calibration for each list: all of them together are calibrated first, which is the prior of each.
  static func each(of lists: [[Observation]], strength: Double) -> [Calibration] {
    let common = Calibration(lists.flatMap { $0 }, strength: strength)
    return lists.map { Calibration($0, prior: common, strength: strength) }
  }
}

/// The negative logarithm of the likelihood and the penalties, which are halved squares.
private struct PenalizedLoss {
  let observations: [Calibration.Observation]
  let prior: Calibration
  let biasPenalty: Double
  let slopePenalty: Double

  /// Newton's method with halved steps; the Hessian is 2 by 2.
  func minimum(from start: Calibration, slopeIsFree: Bool) -> Calibration {
    var point = start
    var value = self.value(point)
    for _ in 0..<100 {
      var step = newtonStep(point, slopeIsFree: slopeIsFree)
      // Where numbers overflow, the point stays: half of an infinite step is one, too.
      guard step.slope.isFinite && step.bias.isFinite else { return point }
      var next = point
      var reached = value
      repeat {
        next = Calibration(slope: point.slope - step.slope, bias: point.bias - step.bias)
        reached = self.value(next)
        step = Calibration(slope: step.slope / 2, bias: step.bias / 2)
      } while !(reached <= value) && abs(step.slope) + abs(step.bias) > 1e-12
      // Whatever rounding leaves: the point never gets worse.
      guard reached < value else { return point }
      (point, value) = (next, reached)
    }
    return point
  }

  private func value(_ point: Calibration) -> Double {
    let (a, b) = (point.slope - prior.slope, point.bias - prior.bias)
    return observations.reduce((slopePenalty * a * a + biasPenalty * b * b) / 2) { sum, observation in
      let logit = point.slope * observation.logit + point.bias
      return sum + observation.weight * OutcomeLoss.value(logit: logit, label: observation.label)
    }
  }

  /// `H⁻¹ g`, the gradient and the Hessian over slope and bias.
  private func newtonStep(_ point: Calibration, slopeIsFree: Bool) -> Calibration {
    var slope = slopePenalty * (point.slope - prior.slope)
    var bias = biasPenalty * (point.bias - prior.bias)
    var (slopes, both, biases) = (slopePenalty, 0.0, biasPenalty)
    for observation in observations {
      let probability = 1 / (1 + exp(-(point.slope * observation.logit + point.bias)))
      let error = observation.weight * (probability - observation.label)
      let information = observation.weight * probability * (1 - probability)
      slope += error * observation.logit
      bias += error
      slopes += information * observation.logit * observation.logit
      both += information * observation.logit
      biases += information
    }
    guard slopeIsFree else { return Calibration(slope: 0, bias: bias / biases) }
    // One outcome, or like logits, and next to no penalty: the rest is singular to rounding (Marquardt 1963).
    (slopes, biases) = (slopes * (1 + 1e-9), biases * (1 + 1e-9))
    let determinant = slopes * biases - both * both
    return Calibration(
      slope: (biases * slope - both * bias) / determinant, bias: (slopes * bias - both * slope) / determinant)
  }
}
