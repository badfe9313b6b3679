import CKernels
import Glibc

/// The candidates that a head is trained on.
struct CandidateWeights {
  let count: Int
  /// `[count, d_t]`: `m_j`, frozen.
  let embeddings: UnsafePointer<Float>
  /// `[count, d_t]`: `delta_j`.
  let deltas: UnsafePointer<Float>
  /// `[count]`: `beta_j`.
  let betas: UnsafePointer<Float>
}

/// Vectors and what dividing by their norms made of them.
struct NormalizedRows {
  let count: Int
  let width: Int
  /// `[count, width]`: `x / max(|x|, epsilon)`.
  let unit: UnsafeMutablePointer<Float>
  /// `[count]`: `max(|x|, epsilon)`, negative where that is epsilon, so that the divisor is a constant.
  let divisor: UnsafeMutablePointer<Float>

  init(count: Int, width: Int, in arena: ScratchArena) throws(ARMSError) {
    self.count = count
    self.width = width
    unit = try arena.allocate(Float.self, count * width)
    divisor = try arena.allocate(Float.self, count)
  }

  /// Normalises the rows in `unit` in place.
  func normalize(epsilon: Float, _ kernels: ck_kernels) {
    for row in 0..<count {
      let vector = unit + row * width
      let norm = kernels.dot(vector, vector, width).squareRoot()
      divisor[row] = norm < epsilon ? -epsilon : norm
      let scale = 1 / max(norm, epsilon)
      for column in 0..<width { vector[column] *= scale }
    }
  }

  /// From the gradient of the unit vectors to that of the vectors, in place: `dx = (du - u (u . du)) / |x|`, or
  /// `du / epsilon` where the norm is smaller.
  func backward(_ gradient: UnsafeMutablePointer<Float>, _ kernels: ck_kernels) {
    for row in 0..<count {
      let (du, u) = (gradient + row * width, unit + row * width)
      let projection = divisor[row] < 0 ? 0 : kernels.dot(u, du, width)
      let scale = 1 / abs(divisor[row])
      for column in 0..<width { du[column] = (du[column] - u[column] * projection) * scale }
    }
  }
}

extension Classifier {
  /// What the backward pass reads.
  struct Kept {
    /// `[queries, d_t + d_e]`: `[q; e]`, and normalised.
    let joined: UnsafeMutablePointer<Float>
    let normed: UnsafeMutablePointer<Float>
    /// `[candidates, d_t]`: `m_j + delta_j`.
    let profiles: UnsafeMutablePointer<Float>
    let queries: NormalizedRows
    let keys: NormalizedRows
    /// `[queries, candidates]`
    let cosines: UnsafeMutablePointer<Float>
    let logits: UnsafeMutablePointer<Float>

    init(
      _ classifier: Classifier, queries count: Int, candidates: CandidateWeights, in arena: ScratchArena
    ) throws(ARMSError) {
      let width = classifier.sharedWidth
      joined = try arena.allocate(Float.self, count * classifier.norm.width)
      normed = try arena.allocate(Float.self, count * classifier.norm.width)
      profiles = try arena.allocate(Float.self, candidates.count * classifier.candidate.inputs)
      queries = try NormalizedRows(count: count, width: width, in: arena)
      keys = try NormalizedRows(count: candidates.count, width: width, in: arena)
      cosines = try arena.allocate(Float.self, count * candidates.count)
      logits = try arena.allocate(Float.self, count * candidates.count)
    }
  }

  /// Writes `kept.logits` from `kept.joined`.
  func forward(_ candidates: CandidateWeights, keeping kept: Kept, on execution: Execution) {
    let (queries, keys) = (kept.queries, kept.keys)
    norm.forward(kept.joined, rows: queries.count, out: kept.normed, on: execution)
    query.forward(
      Rows(kept.normed, stride: norm.width).input(count: queries.count), out: queries.unit,
      stride: sharedWidth, on: execution)
    queries.normalize(epsilon: cosineEpsilon, execution.kernels)
    let width = candidate.inputs
    for index in 0..<keys.count * width {
      kept.profiles[index] = candidates.embeddings[index] + candidates.deltas[index]
    }
    candidate.forward(
      Rows(kept.profiles, stride: width).input(count: keys.count), out: keys.unit, stride: sharedWidth,
      on: execution)
    keys.normalize(epsilon: cosineEpsilon, execution.kernels)
    MatrixProduct.float32.multiply(
      BLAS.Operand(queries.unit, stride: sharedWidth),
      BLAS.Operand(keys.unit, stride: sharedWidth, transposed: true), rows: queries.count,
      columns: keys.count,
      depth: sharedWidth, out: kept.cosines, stride: keys.count, on: execution.pool)
    for row in 0..<queries.count {
      for column in 0..<keys.count {
        let index = row * keys.count + column
        kept.logits[index] = logit(cosine: kept.cosines[index], beta: candidates.betas[column])
      }
    }
  }

  /// From the gradient of the logits, `[queries, candidates]`, which is overwritten, to those of all weights and
  /// to `joinedGradient`, `[queries, d_t + d_e]`.
  func backward(
    _ candidates: CandidateWeights, kept: Kept, dy: UnsafeMutablePointer<Float>,
    joinedGradient: UnsafeMutablePointer<Float>, into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let (arena, kernels) = (execution.arena, execution.kernels)
    let (queries, keys, width) = (kept.queries, kept.keys, candidate.inputs)
    logitGradient(candidates, kept: kept, dy: dy, into: gradients)
    let queryGradient = Rows(try arena.allocate(Float.self, queries.count * sharedWidth), stride: sharedWidth)
    let keyGradient = Rows(try arena.allocate(Float.self, keys.count * sharedWidth), stride: sharedWidth)
    MatrixProduct.float32.multiply(
      BLAS.Operand(dy, stride: keys.count), BLAS.Operand(keys.unit, stride: sharedWidth), rows: queries.count,
      columns: sharedWidth, depth: keys.count, out: queryGradient.start, stride: sharedWidth,
      on: execution.pool
    )
    MatrixProduct.float32.multiply(
      BLAS.Operand(dy, stride: keys.count, transposed: true), BLAS.Operand(queries.unit, stride: sharedWidth),
      rows: keys.count, columns: sharedWidth, depth: queries.count, out: keyGradient.start,
      stride: sharedWidth, on: execution.pool)
    queries.backward(queryGradient.start, kernels)
    keys.backward(keyGradient.start, kernels)
    candidate.weightGradient(
      of: keyGradient, input: Rows(kept.profiles, stride: width).input(count: keys.count), into: gradients,
      on: execution)
    candidate.inputGradient(
      of: keyGradient, count: keys.count, accumulates: gradients.accumulates,
      into: Rows(gradients.of(candidates.deltas), stride: width), on: execution)
    query.weightGradient(
      of: queryGradient, input: Rows(kept.normed, stride: norm.width).input(count: queries.count),
      into: gradients, on: execution)
    query.inputGradient(
      of: queryGradient, count: queries.count, into: Rows(joinedGradient, stride: norm.width), on: execution)
    try norm.backward(
      kept.joined, rows: queries.count, dy: joinedGradient, dx: joinedGradient, into: gradients, on: execution
    )
  }

  /// Turns the gradient of the logits into that of the cosines; writes those of alpha and beta.
  private func logitGradient(
    _ candidates: CandidateWeights, kept: Kept, dy: UnsafeMutablePointer<Float>, into gradients: Gradients
  ) {
    let count = kept.queries.count * candidates.count
    let betas = gradients.of(candidates.betas)
    if !gradients.accumulates { betas.update(repeating: 0, count: candidates.count) }
    switch logit {
    case .paper(_, _, let low, let high):
      for index in 0..<count {
        let cosine = kept.cosines[index]
        // Beyond the bounds the logit is constant.
        dy[index] = cosine < low || cosine > high ? 0 : dy[index] / (1 - cosine * cosine)
      }
    case .scaled(let alpha):
      let target = gradients.of(alpha)
      var total: Float = 0
      for row in 0..<kept.queries.count {
        for column in 0..<candidates.count {
          let index = row * candidates.count + column
          total += dy[index] * kept.cosines[index]
          betas[column] += dy[index]
          dy[index] *= alpha.pointee
        }
      }
      target.pointee = gradients.accumulates ? target.pointee + total : total
    }
  }
}
