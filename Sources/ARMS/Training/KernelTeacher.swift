import CKernels
import Glibc

/// Says of every training query how likely each candidate answers it, by what the candidate did with similar
/// questions: kernel ridge regression on the questions' embeddings.
///
/// A label is one draw of a coin; what the candidate's neighbours say of that coin is the better target for a head of
/// many parameters and few queries. With `k(x, x') = exp(-|x - x'|² / 2)` of the normalised embeddings, and the mean
/// label `b_j`, candidate j's prediction is `b_j + K a_j` where `(K + ridge / W_j) a_j = y_j - b_j` over the queries whose
/// outcome is known, `W_j` the outcomes' weights. (Rasmussen and Williams, Gaussian Processes, 2.2: the mean of a process
/// whose noise has the variance `ridge / w`.)
struct KernelTeacher {
  /// The most queries: the matrix of their similarities lies in memory.
  static let queryLimit = 20_000
  /// What a prediction is clipped to.
  static let bounds: ClosedRange<Float> = 0.01...0.99
  /// Far more steps than a kernel of this smoothness needs.
  private static let iterations = 200

  let ridge: Double
  let queries: [TrainingQuery]
  let candidates: Int
  let engine: Engine
  /// `[queries, queries]`
  private let kernel: AlignedBuffer

  /// Throws `limitExceeded` for more queries than a teacher reads.
  static func check(_ count: Int) throws(ARMSError) {
    guard count <= queryLimit else {
      throw ARMSError(
        .limitExceeded,
        "a teacher reads \(queryLimit) queries at most, not \(count); give fewer, or do without")
    }
  }

  /// Takes the embeddings of all queries, `[queries, width]`, of as many as ``check(_:)`` lets pass, and normalises them.
  ///
  /// Throws `outOfMemory`.
  init(
    _ queries: [TrainingQuery], embeddings: UnsafeMutablePointer<Float>, width: Int, candidates: Int,
    ridge: Double,
    on engine: Engine
  ) throws(ARMSError) {
    let count = queries.count
    kernel = try AlignedBuffer(Float.self, count: count * count, purpose: "similarities of \(count) queries")
    let similarities = kernel.pointer(to: Float.self)
    try engine.execute { (execution) throws(ARMSError) in
      for row in 0..<count {
        let vector = embeddings + row * width
        let scale = 1 / max(execution.kernels.dot(vector, vector, width).squareRoot(), 1e-12)
        for column in 0..<width { vector[column] *= scale }
      }
      MatrixProduct.float32.multiply(
        BLAS.Operand(embeddings, stride: width), BLAS.Operand(embeddings, stride: width, transposed: true),
        rows: count, columns: count, depth: width, out: similarities, stride: count, on: execution.pool)
    }
    // |x - x'|² = 2 - 2 x x'
    for index in 0..<count * count { similarities[index] = expf(similarities[index] - 1) }
    self.queries = queries
    self.candidates = candidates
    self.ridge = ridge
    self.engine = engine
  }

  /// The queries with labels that are `weight` of the prediction and the rest what they were.
  func teach(weight: Float) throws(ARMSError) -> [TrainingQuery] {
    let predictions = try predictions()
    return queries.enumerated().map { (row, query) in
      let outcomes = query.outcomes.map { outcome in
        var outcome = outcome
        let taught = predictions[row * candidates + outcome.candidate]
        outcome.label += weight * (taught - outcome.label)
        return outcome
      }
      return TrainingQuery(
        number: query.number, question: query.question, images: query.images, outcomes: outcomes)
    }
  }

  /// `[queries, candidates]`, clipped.
  func predictions() throws(ARMSError) -> [Float] {
    let system = KernelSystem(queries, candidates: candidates, ridge: ridge)
    return try fit(system).enumerated().map { (index, fitted) in
      let value = Float(system.means[index % candidates] + fitted)
      return min(max(value, Self.bounds.lowerBound), Self.bounds.upperBound)
    }
  }

  /// `K a`, by conjugate gradients for all candidates at once (Hestenes and Stiefel 1952).
  private func fit(_ system: KernelSystem) throws(ARMSError) -> [Double] {
    var fitted = [Double](repeating: 0, count: queries.count * candidates)
    var residual = system.targets
    var direction = residual
    var squares = system.dots(residual, residual)
    let enough = squares.map { $0 * 1e-10 }
    for _ in 0..<Self.iterations where zip(squares, enough).contains(where: { $0 > $1 }) {
      let product = try multiply(direction)
      let image = system.operate(direction, product: product)
      let lengths = zip(squares, system.dots(direction, image)).map { $1 > 0 ? $0 / $1 : 0 }
      for index in fitted.indices {
        fitted[index] += lengths[index % candidates] * product[index]
        residual[index] -= lengths[index % candidates] * image[index]
      }
      let next = system.dots(residual, residual)
      let shares = zip(next, squares).map { $1 > 0 ? $0 / $1 : 0 }
      for index in direction.indices {
        direction[index] = residual[index] + shares[index % candidates] * direction[index]
      }
      squares = next
    }
    return fitted
  }

  /// `K x`, `[queries, candidates]`, in float32: a residual of 1e-5 is all that is asked.
  private func multiply(_ x: [Double]) throws(ARMSError) -> [Double] {
    let rows = queries.count
    return try engine.execute { (execution) throws(ARMSError) in
      let input = try execution.arena.allocate(Float.self, x.count)
      let out = try execution.arena.allocate(Float.self, x.count)
      for index in x.indices { input[index] = Float(x[index]) }
      MatrixProduct.float32.multiply(
        BLAS.Operand(kernel.pointer(to: Float.self), stride: rows), BLAS.Operand(input, stride: candidates),
        rows: rows, columns: candidates, depth: rows, out: out, stride: candidates, on: execution.pool)
      return x.indices.map { Double(out[$0]) }
    }
  }
}

/// The right side and the diagonal of a teacher's equations, a column a candidate. Rows without an outcome are left out:
/// they are 0 in every vector.
private struct KernelSystem {
  let candidates: Int
  /// `b_j`
  let means: [Double]
  /// `y - b`, `[queries, candidates]`
  let targets: [Double]
  /// `ridge / w`; 0 where no outcome is known.
  let diagonal: [Double]

  init(_ queries: [TrainingQuery], candidates: Int, ridge: Double) {
    var (labels, weights) = (
      [Double](repeating: 0, count: candidates), [Double](repeating: 0, count: candidates)
    )
    for outcome in queries.lazy.flatMap(\.outcomes) {
      labels[outcome.candidate] += Double(outcome.weight * outcome.label)
      weights[outcome.candidate] += Double(outcome.weight)
    }
    let means = zip(labels, weights).map { $1 > 0 ? $0 / $1 : 0.5 }
    var targets = [Double](repeating: 0, count: queries.count * candidates)
    var diagonal = targets
    for (row, query) in queries.enumerated() {
      for outcome in query.outcomes {
        let index = row * candidates + outcome.candidate
        targets[index] = Double(outcome.label) - means[outcome.candidate]
        diagonal[index] = ridge / Double(outcome.weight)
      }
    }
    self.candidates = candidates
    self.means = means
    self.targets = targets
    self.diagonal = diagonal
  }

  /// `(K + D) x` from `x` and `K x`.
  func operate(_ x: [Double], product: [Double]) -> [Double] {
    x.indices.map { diagonal[$0] > 0 ? product[$0] + diagonal[$0] * x[$0] : 0 }
  }

  /// The products of the columns.
  func dots(_ x: [Double], _ y: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: candidates)
    for index in x.indices { sums[index % candidates] += x[index] * y[index] }
    return sums
  }
}
