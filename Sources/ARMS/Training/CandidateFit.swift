import Glibc

/// Learns what is a candidate's own, its residual `delta_j` and its offset `beta_j`, from a few outcomes. All
/// that it shares with others, encoders and head, stays.
///
/// It minimises `sum w bce(t_ij, y) + strength / 8 (a² |delta|² / |m|² + (beta - beta_0)²)`: binary cross-entropy,
/// and a prior that counts as much as `strength` outcomes (see ``Calibration``); `a` is the larger of 1 and alpha,
/// as a logit changes by about `a |delta| / |m|`. Without outcomes the sentence and the usual offset remain.
///
/// The cosine ignores the length of the key `W_m (m + delta)`. Where outcomes contradict the sentence, the best of short
/// residuals would take the key to 0, and `m + delta` in float32 to its rounding. So one shorter than a tenth of
/// `|W_m m|` is drawn back: `strength / 8 * ln²(|key| / (0.1 |W_m m|))` is added there.
struct CandidateFit {
  /// `W_m`, `[r, d_t]`.
  let weight: [Double]
  /// `m_j`, `[d_t]`.
  let embedding: [Double]
  /// What becomes a logit of a cosine.
  let head: Head
  let cosineEpsilon: Double
  /// `beta_0`: the mean of the candidates that are not being fitted.
  let usualOffset: Double
  /// Outcomes that the prior counts as.
  let strength: Double
  /// The length below which a key is drawn back.
  private let leastLength: Double

  init(
    weight: [Double], embedding: [Double], head: Head, cosineEpsilon: Double, usualOffset: Double,
    strength: Double = 8
  ) {
    self.weight = weight
    self.embedding = embedding
    self.head = head
    self.cosineEpsilon = cosineEpsilon
    self.usualOffset = usualOffset
    self.strength = strength
    leastLength = 0.1 * norm(multiply(weight, embedding))
  }

  /// From a cosine to a logit, as ``Classifier/Logit`` does.
  enum Head {
    case paper(least: Double, largest: Double)
    case scaled(alpha: Double)
  }

  /// Outcomes: a row of `vectors`, `[outcomes, r]`, normalised, a label and a weight each.
  struct Outcomes {
    var vectors: [Double] = []
    var labels: [Double] = []
    var weights: [Double] = []
  }

  private var width: Int { embedding.count }
  private var sharedWidth: Int { weight.count / width }

  /// The most likely `delta_j`, `[d_t]`, and `beta_j`.
  func fit(_ outcomes: Outcomes) -> (delta: [Double], beta: Double) {
    let start = [Double](repeating: 0, count: width) + [usualOffset]
    let best = LBFGS().minimum(of: { loss(outcomes, $0, gradient: &$1) }, from: start)
    return (Array(best.dropLast()), best[width])
  }

  /// The loss at `x`, `[delta; beta]`, and its gradient.
  func loss(_ outcomes: Outcomes, _ x: [Double], gradient: inout [Double]) -> Double {
    let key = multiply(weight, sum(embedding, x))
    let length = norm(key)
    let divisor = max(length, cosineEpsilon)
    let beta = x[width]
    var loss = penalty(x, gradient: &gradient)
    // The gradient of the key over the divisor, and its part along the key, which the norm takes away.
    var direction = [Double](repeating: 0, count: sharedWidth)
    var along = 0.0
    for row in outcomes.labels.indices {
      let start = row * sharedWidth
      var cosine = 0.0
      for column in 0..<sharedWidth { cosine += outcomes.vectors[start + column] * key[column] }
      cosine /= divisor
      let (logit, slope) = logit(cosine, beta)
      let (label, weight) = (outcomes.labels[row], outcomes.weights[row])
      loss += weight * OutcomeLoss.value(logit: logit, label: label)
      let error = weight * (1 / (1 + exp(-logit)) - label)
      if case .scaled = head { gradient[width] += error }
      for column in 0..<sharedWidth {
        direction[column] += error * slope * outcomes.vectors[start + column]
      }
      along += error * slope * cosine
    }
    if length < cosineEpsilon { along = 0 }
    let outwards = lengthPenalty(length, loss: &loss)
    for row in 0..<sharedWidth {
      let value = (direction[row] - along * key[row] / divisor) / divisor + outwards * key[row]
      for column in 0..<width { gradient[column] += value * weight[row * width + column] }
    }
    return loss
  }

  /// Adds what the key's length costs, and returns the factor of its gradient along the key.
  private func lengthPenalty(_ length: Double, loss: inout Double) -> Double {
    guard length > 0, length < leastLength else { return 0 }
    let shortfall = log(length / leastLength)
    loss += strength / 8 * shortfall * shortfall
    return strength / 4 * shortfall / (length * length)
  }

  private func penalty(_ x: [Double], gradient: inout [Double]) -> Double {
    let square = embedding.reduce(0) { $0 + $1 * $1 }
    let scale: Double
    switch head {
    case .paper: scale = 1
    case .scaled(let alpha): scale = max(1, alpha * alpha)
    }
    let residual = strength / 4 * scale / max(square, 1e-12)
    var loss = 0.0
    for column in 0..<width {
      loss += residual * x[column] * x[column] / 2
      gradient[column] = residual * x[column]
    }
    let offset = x[width] - usualOffset
    gradient[width] = strength / 4 * offset
    return loss + strength / 8 * offset * offset
  }

  /// The logit, and its slope over the cosine.
  private func logit(_ cosine: Double, _ beta: Double) -> (value: Double, slope: Double) {
    switch head {
    case .paper(let least, let largest):
      guard cosine > least else { return (atanh(least), 0) }
      guard cosine < largest else { return (atanh(largest), 0) }
      return (atanh(cosine), 1 / (1 - cosine * cosine))
    case .scaled(let alpha):
      return (alpha * cosine + beta, alpha)
    }
  }

  private func sum(_ x: [Double], _ y: [Double]) -> [Double] { x.indices.map { x[$0] + y[$0] } }
}

/// `W x`, of a row-major matrix with as many columns as `x` has entries.
private func multiply(_ matrix: [Double], _ x: [Double]) -> [Double] {
  stride(from: 0, to: matrix.count, by: x.count).map { start in
    var sum = 0.0
    for column in x.indices { sum += matrix[start + column] * x[column] }
    return sum
  }
}

private func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
