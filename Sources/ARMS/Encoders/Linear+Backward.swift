/// Rows of floats, `stride` apart.
struct Rows {
  let start: UnsafeMutablePointer<Float>
  let stride: Int

  init(_ start: UnsafeMutablePointer<Float>, stride: Int) {
    self.start = start
    self.stride = stride
  }

  /// The rows as a float layer's input.
  func input(count: Int) -> LinearInput {
    LinearInput(rows: count, float: start, stride: stride, quantized: nil)
  }
}

/// The backward pass of `y = x Wᵀ + b`. Only for float weights; what is trained has no others.
extension Linear {
  /// Rows of `x`, one after the other, as this layer reads them.
  func floatInput(_ x: UnsafePointer<Float>, rows: Int) -> LinearInput {
    LinearInput(rows: rows, float: x, stride: inputs, quantized: nil)
  }

  /// `dx[rows, inputs] = dy[rows, outputs] W`, added to what `dx` holds if `accumulates`.
  func inputGradient(
    of dy: Rows, count: Int, accumulates: Bool = false, into dx: Rows, on execution: Execution
  ) {
    guard case .float(let weight) = weight else { return }
    execution.product.multiply(
      BLAS.Operand(dy.start, stride: dy.stride), BLAS.Operand(weight, stride: inputs), rows: count,
      columns: inputs, depth: outputs, accumulates: accumulates, out: dx.start, stride: dx.stride,
      on: execution.pool)
  }

  /// `dW = dyᵀ x` and `db = sum over rows of dy`.
  func weightGradient(
    of dy: Rows, input x: LinearInput, into gradients: Gradients, on execution: Execution
  ) {
    guard case .float(let weight) = weight else { return }
    execution.product.multiply(
      BLAS.Operand(dy.start, stride: dy.stride, transposed: true), BLAS.Operand(x.float, stride: x.stride),
      rows: outputs, columns: inputs, depth: x.rows, accumulates: gradients.accumulates,
      out: gradients.of(weight), stride: inputs, on: execution.pool)
    guard let bias else { return }
    let sums = ColumnSums(
      x: dy, rows: x.rows, columns: outputs, out: gradients.of(bias), accumulates: gradients.accumulates)
    execution.pool.run(sums, count: sums.count)
  }
}

/// Sums over rows, some columns a piece.
private struct ColumnSums: ParallelTask {
  let x: Rows
  let rows: Int
  let columns: Int
  let out: UnsafeMutablePointer<Float>
  let accumulates: Bool

  private static let piece = 512
  var count: Int { (columns + Self.piece - 1) / Self.piece }

  func run(_ index: Int, worker: Int) {
    let start = index * Self.piece
    let width = min(Self.piece, columns - start)
    let sums = out + start
    if !accumulates { sums.update(repeating: 0, count: width) }
    for row in 0..<rows {
      let values = x.start + row * x.stride + start
      for column in 0..<width { sums[column] += values[column] }
    }
  }
}
