import Glibc
import Testing

@testable import ARMS

@Suite struct CandidateFitTests {
  private static let (width, sharedWidth) = (6, 5)

  /// Numbers in -1...1, the same in every run.
  private func numbers(_ count: Int, seed: UInt64) -> [Double] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Double.random(in: -1...1, using: &random) }
  }

  private func fit(_ head: CandidateFit.Head, strength: Double = 8) -> CandidateFit {
    CandidateFit(
      weight: numbers(Self.sharedWidth * Self.width, seed: 1), embedding: numbers(Self.width, seed: 2),
      head: head,
      cosineEpsilon: 1e-8, usualOffset: 0.25, strength: strength)
  }

  private func unitVectors(_ count: Int, seed: UInt64) -> [Double] {
    (0..<count).flatMap { row in
      let vector = numbers(Self.sharedWidth, seed: seed + UInt64(row))
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return vector.map { $0 / norm }
    }
  }

  /// Outcomes whose labels are the probabilities that a candidate of `truth`, `[delta; beta]`, has.
  private func outcomes(_ fit: CandidateFit, _ truth: [Double], count: Int, seed: UInt64)
    -> CandidateFit.Outcomes
  {
    let vectors = unitVectors(count, seed: seed)
    let width = Self.sharedWidth
    let labels = (0..<count).map { row in
      // One outcome with the labels 0 and 1: the difference of the losses is the logit.
      let vector = Array(vectors[row * width..<(row + 1) * width])
      var gradient = [Double](repeating: 0, count: Self.width + 1)
      let values = [0.0, 1.0].map {
        fit.loss(.init(vectors: vector, labels: [$0], weights: [1]), truth, gradient: &gradient)
      }
      return 1 / (1 + exp(-(values[0] - values[1])))
    }
    return .init(vectors: vectors, labels: labels, weights: [Double](repeating: 1, count: count))
  }

  static let heads: [CandidateFit.Head] = [.scaled(alpha: 3), .paper(least: -0.99, largest: 0.99)]

  @Test(arguments: heads) func itsGradientIsThatOfItsLoss(head: CandidateFit.Head) {
    let fit = fit(head)
    let outcomes = CandidateFit.Outcomes(
      vectors: unitVectors(4, seed: 10), labels: [0, 1, 1, 0], weights: [1, 2, 0.5, 1])
    let x = numbers(Self.width + 1, seed: 3)
    expectGradient(of: fit, outcomes, at: x, step: 1e-5, within: 1e-6)
  }

  @Test(arguments: heads) func learnsACandidateFromManyOutcomes(head: CandidateFit.Head) {
    let fit = fit(head, strength: 1e-6)
    let truth = numbers(Self.width, seed: 4) + [0.25]
    let seen = outcomes(fit, truth, count: 300, seed: 100)
    let (delta, beta) = fit.fit(seen)
    let unseen = outcomes(fit, truth, count: 100, seed: 1_000)
    var gradient = truth
    let losses = [delta + [beta], truth, [Double](repeating: 0, count: Self.width) + [0.25]].map {
      fit.loss(unseen, $0, gradient: &gradient)
    }
    #expect(losses[0] < losses[1] + 1e-3)
    #expect(losses[0] < losses[2] - 1)
  }

  @Test(arguments: heads) func keepsToTheSentenceWithoutOutcomes(head: CandidateFit.Head) {
    let (delta, beta) = fit(head).fit(.init())
    #expect(delta == [Double](repeating: 0, count: Self.width) && beta == 0.25)
  }

  @Test func aStrongerPriorMovesLess() {
    let seen = CandidateFit.Outcomes(
      vectors: unitVectors(8, seed: 20), labels: [1, 1, 1, 1, 1, 1, 1, 1],
      weights: [Double](repeating: 1, count: 8))
    let (weak, strong) = (fit(.scaled(alpha: 3), strength: 1), fit(.scaled(alpha: 3), strength: 100))
    let (weakly, strongly) = (weak.fit(seen), strong.fit(seen))
    #expect(weakly.beta > strongly.beta && strongly.beta > 0.25)
    #expect(norm(weakly.delta) > norm(strongly.delta) && norm(strongly.delta) > 0)
  }

  /// A key of length 0 would be the best for outcomes that are the contrary of the sentence.
  @Test(arguments: heads) func keepsTheKeyWhereFloatsCanHoldIt(head: CandidateFit.Head) {
    let fit = fit(head)
    let profile = key(fit, fit.embedding)
    let length = norm(profile)
    let noise = numbers(40 * Self.sharedWidth, seed: 5)
    let vectors = (0..<40).flatMap { row in
      let vector = profile.indices.map { profile[$0] / length + 0.1 * noise[row * Self.sharedWidth + $0] }
      let norm = norm(vector)
      return vector.map { $0 / norm }
    }
    let seen = CandidateFit.Outcomes(
      vectors: vectors, labels: [Double](repeating: 0, count: 40), weights: [Double](repeating: 1, count: 40))
    let (delta, beta) = fit.fit(seen)
    #expect(norm(key(fit, zip(fit.embedding, delta).map { $0 + $1 })) > 0.03 * length)
    var gradient = delta + [beta]
    let stored = zip(fit.embedding, delta).map { Double(Float($0) + Float($1)) - $0 }
    let losses = [delta, stored].map { fit.loss(seen, $0 + [beta], gradient: &gradient) }
    #expect(abs(losses[0] - losses[1]) < 1e-4)
  }

  @Test func itsGradientIsThatOfItsLossAtAShortKey() {
    let fit = fit(.scaled(alpha: 3))
    let seen = CandidateFit.Outcomes(vectors: unitVectors(2, seed: 10), labels: [0, 1], weights: [1, 1])
    let x = fit.embedding.map { -0.97 * $0 } + [0.25]
    expectGradient(of: fit, seen, at: x, step: 1e-7, within: 1e-3)
  }

  /// Compares the gradient at `x` with central differences.
  private func expectGradient(
    of fit: CandidateFit, _ outcomes: CandidateFit.Outcomes, at x: [Double], step: Double,
    within tolerance: Double
  ) {
    var (gradient, unused) = (x, x)
    _ = fit.loss(outcomes, x, gradient: &gradient)
    for index in x.indices {
      let values = [step, -step].map { change in
        var moved = x
        moved[index] += change
        return fit.loss(outcomes, moved, gradient: &unused)
      }
      #expect(abs((values[0] - values[1]) / (2 * step) - gradient[index]) < tolerance)
    }
  }

  @Test func learnsFromOutcomesOfAnyWeight() {
    for weight in [1e-6, 1, 1e6, 1e11, 1e12, 1e16, 1e20] {
      let seen = CandidateFit.Outcomes(
        vectors: unitVectors(10, seed: 30), labels: [1, 0, 1, 1, 0, 1, 1, 0, 1, 1],
        weights: [Double](repeating: weight, count: 10))
      #expect(fit(.scaled(alpha: 3)).fit(seen).beta != 0.25, "\(weight)")
    }
  }

  private func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// `W_m x`
  private func key(_ fit: CandidateFit, _ x: [Double]) -> [Double] {
    (0..<Self.sharedWidth).map { row in
      (0..<Self.width).reduce(0) { $0 + fit.weight[row * Self.width + $1] * x[$1] }
    }
  }
}
