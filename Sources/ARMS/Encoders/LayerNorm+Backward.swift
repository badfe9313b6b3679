import CKernels

extension LayerNorm {
  /// The gradients of gamma and beta, and `dx`, which may be `dy`, from the input `x`, `[rows, width]`, and the
  /// gradient `dy` of the output; of a norm that is frozen only `dx`.
  func backward(
    _ x: UnsafePointer<Float>, rows: Int, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
    into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let piece = execution.rowsPerPiece(rows, minimum: 8)
    let pieces = (rows + piece - 1) / piece
    let partial = try execution.arena.allocate(Float.self, pieces * 2 * width)
    execution.pool.run(
      BackwardRows(
        kernels: execution.kernels, norm: self, x: x, rows: rows, dy: dy, dx: dx, partial: partial,
        piece: piece),
      count: pieces)
    guard gradients.contain(gamma) else { return }
    // In the order of the pieces, so that a thread count gives the same bits each time.
    for (target, offset) in [(gradients.of(gamma), 0), (gradients.of(beta), width)] {
      if !gradients.accumulates { target.update(repeating: 0, count: width) }
      for index in 0..<pieces {
        let sums = partial + index * 2 * width + offset
        for column in 0..<width { target[column] += sums[column] }
      }
    }
  }
}

private struct BackwardRows: ParallelTask {
  let kernels: ck_kernels
  let norm: LayerNorm
  let x: UnsafePointer<Float>
  let rows: Int
  let dy: UnsafePointer<Float>
  let dx: UnsafeMutablePointer<Float>
  /// `[pieces, 2, width]`: sums for gamma and beta.
  let partial: UnsafeMutablePointer<Float>
  let piece: Int

  func run(_ index: Int, worker: Int) {
    let (row, width) = (index * piece, norm.width)
    let sums = partial + index * 2 * width
    sums.update(repeating: 0, count: 2 * width)
    kernels.layer_norm_backward(
      x + row * width, width, dy + row * width, width, min(piece, rows - row), width, norm.gamma,
      norm.epsilon,
      dx + row * width, width, sums, sums + width)
  }
}
