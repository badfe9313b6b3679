import Glibc
import Testing

@testable import ARMS

@Suite struct CalibrationTests {
  /// Outcomes whose labels are the probabilities themselves: the likelihood is largest at `truth` exactly.
  private func observations(_ truth: Calibration, logits: [Double]) -> [Calibration.Observation] {
    logits.map { logit in
      Calibration.Observation(
        logit: logit, label: 1 / (1 + exp(-(truth.slope * logit + truth.bias))), weight: 1)
    }
  }

  private let logits = (0..<400).map { Double($0) / 50 - 4 }

  @Test(arguments: [(0.25, -1.0), (1, 0), (3, 2), (0.05, 0.5)])
  func findsTheCalibrationOfManyOutcomes(slope: Double, bias: Double) {
    let truth = Calibration(slope: slope, bias: bias)
    let fitted = Calibration(observations(truth, logits: logits), strength: 1e-9)
    #expect(abs(fitted.slope - slope) < 1e-6 * (1 + slope))
    #expect(abs(fitted.bias - bias) < 1e-6)
    #expect(abs(fitted.temperature * fitted.slope - 1) < 1e-12)
  }

  @Test func drawsFewOutcomesToThePrior() {
    let prior = Calibration(slope: 0.5, bias: 0.3)
    #expect(Calibration([], prior: prior, strength: 16) == prior)
    let one = [Calibration.Observation(logit: 2, label: 0, weight: 1)]
    let weak = Calibration(one, prior: prior, strength: 1)
    let strong = Calibration(one, prior: prior, strength: 1_000)
    #expect(weak.bias < strong.bias && strong.bias < prior.bias)
    #expect(abs(strong.bias - prior.bias) < 0.01)
  }

  @Test(arguments: [0.0, 1.0]) func staysFiniteWhereAllLabelsAreAlike(label: Double) {
    let alike = logits.map { Calibration.Observation(logit: $0, label: label, weight: 1) }
    let fitted = Calibration(alike, strength: 16)
    #expect(fitted.slope.isFinite && Calibration.slopes.contains(fitted.slope))
    #expect(label == 1 ? fitted.bias > 1 : fitted.bias < -1)
    #expect(fitted.bias.isFinite)
  }

  /// A file holds biases as floats, and must not be refused for one.
  @Test func aBiasThatNothingHoldsBackStaysAFloat() {
    let five = (0..<5).map { _ in Calibration.Observation(logit: 0.1, label: 0, weight: 1e18) }
    let fitted = Calibration(five, strength: 1e-300)
    #expect(fitted.bias < -100 && Float(fitted.bias).isFinite)
  }

  /// Steps that overflow end the search; half of an infinite step is one, too.
  @Test(arguments: [Double.leastNonzeroMagnitude, 1e-300, 1e-150, 1e150, 1e300, .greatestFiniteMagnitude])
  func endsAtExtremeStrengthsAndWeights(extreme: Double) {
    let alike = Calibration(
      logits.map { Calibration.Observation(logit: $0, label: 1, weight: extreme) }, strength: extreme)
    #expect(Calibration.biases.contains(alike.bias))
    let cases = [(extreme, 1.0, 1.0), (1, extreme, 1), (extreme, extreme, 1), (1, 1, extreme)]
    for (strength, weight, scale) in cases {
      let sharp = logits.map {
        Calibration.Observation(logit: $0 * scale, label: $0 > 0 ? 1 : 0, weight: weight)
      }
      let fitted = Calibration(sharp, strength: strength)
      #expect(Calibration.slopes.contains(fitted.slope) && Calibration.biases.contains(fitted.bias))
    }
  }

  /// A Hessian of rank one: what is left of the penalty is less than rounding.
  @Test func oneOutcomeDecidesWhereNothingElseCounts() {
    for label in [0.0, 1.0] {
      let one = Calibration.Observation(logit: -2.8137428760528564, label: label, weight: 1)
      let fitted = Calibration([one], strength: 1e-37)
      let logit = fitted.slope * one.logit + fitted.bias
      #expect(label == 1 ? logit > 4 : logit < -4)
    }
  }

  @Test func allowsNoNegativeSlope() {
    let reversed = logits.map {
      Calibration.Observation(logit: $0, label: 1 / (1 + exp($0 - 0.5)), weight: 1)
    }
    let fitted = Calibration(reversed, strength: 1)
    #expect(fitted.slope == Calibration.slopes.lowerBound)
    // The bias alone then says how often the labels are 1.
    let mean = reversed.reduce(0) { $0 + $1.label } / Double(reversed.count)
    #expect(abs(1 / (1 + exp(-fitted.bias)) - mean) < 0.02)
  }

  @Test func eachListGoesItsOwnWayFromTheCommonOne() {
    let lists = [
      observations(Calibration(slope: 1, bias: 1), logits: logits),
      observations(Calibration(slope: 1, bias: -1), logits: logits), [],
    ]
    let fitted = Calibration.each(of: lists, strength: 4)
    #expect(abs(fitted[0].bias - 1) < 0.05 && abs(fitted[1].bias + 1) < 0.05)
    #expect(fitted[2] == Calibration(lists.flatMap { $0 }, strength: 4))
  }
}
