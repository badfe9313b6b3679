import CKernels

/// The feed-forward network of a block or an expert while it is trained: `y = W_down act(W_up x + b) + b`.
struct FeedForward {
  let up: Linear
  let down: Linear
  let activation: ck_activation

  /// What the backward pass reads.
  struct Kept {
    /// `[rows, f]`: before the activation.
    let raw: UnsafeMutablePointer<Float>
    /// `[rows, f]`: after it.
    let hidden: UnsafeMutablePointer<Float>

    init(rows: Int, width: Int, in arena: ScratchArena) throws(ARMSError) {
      raw = try arena.allocate(Float.self, rows * width)
      hidden = try arena.allocate(Float.self, rows * width)
    }
  }

  /// `residual`, `[rows, outputs]`, is added to what is written to `out`, which is other memory.
  func forward(
    _ x: LinearInput, keeping kept: Kept, residual: UnsafePointer<Float>? = nil,
    out: UnsafeMutablePointer<Float>, on execution: Execution
  ) {
    up.forward(x, out: kept.raw, stride: up.outputs, on: execution)
    let piece = execution.rowsPerPiece(x.rows, minimum: 4)
    execution.pool.run(
      ActivateRows(
        kernels: execution.kernels, raw: kept.raw, hidden: kept.hidden, rows: x.rows, width: up.outputs,
        activation: activation, piece: piece),
      count: (x.rows + piece - 1) / piece)
    down.forward(
      Rows(kept.hidden, stride: up.outputs).input(count: x.rows), residual: residual, out: out,
      stride: down.outputs, on: execution)
  }

  /// Writes `dx`, `[rows, inputs]`, or adds to it, which then may be `dy`; `hiddenGradient` is room for
  /// `[rows, f]`.
  func backward(
    _ x: LinearInput, kept: Kept, dy: Rows, dx: UnsafeMutablePointer<Float>, accumulates: Bool = false,
    hiddenGradient: UnsafeMutablePointer<Float>, into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let width = up.outputs
    let hidden = Rows(hiddenGradient, stride: width)
    try down.trainedGradient(
      of: dy, input: Rows(kept.hidden, stride: width).input(count: x.rows), into: gradients, on: execution)
    down.inputGradient(of: dy, count: x.rows, into: hidden, on: execution)
    let piece = execution.rowsPerPiece(x.rows, minimum: 4)
    execution.pool.run(
      ActivationBackwardRows(
        kernels: execution.kernels, raw: kept.raw, gradient: hiddenGradient, rows: x.rows, width: width,
        activation: activation, piece: piece),
      count: (x.rows + piece - 1) / piece)
    try up.trainedGradient(of: hidden, input: x, into: gradients, on: execution)
    up.inputGradient(
      of: hidden, count: x.rows, accumulates: accumulates, into: Rows(dx, stride: up.inputs), on: execution)
  }
}

private struct ActivateRows: ParallelTask {
  let kernels: ck_kernels
  let raw: UnsafePointer<Float>
  let hidden: UnsafeMutablePointer<Float>
  let rows: Int
  let width: Int
  let activation: ck_activation
  let piece: Int

  func run(_ index: Int, worker: Int) {
    let start = index * piece * width
    let count = min(piece, rows - index * piece)
    (hidden + start).update(from: raw + start, count: count * width)
    kernels.bias_activation(hidden + start, width, count, width, nil, activation, nil, 0)
  }
}

private struct ActivationBackwardRows: ParallelTask {
  let kernels: ck_kernels
  let raw: UnsafePointer<Float>
  let gradient: UnsafeMutablePointer<Float>
  let rows: Int
  let width: Int
  let activation: ck_activation
  let piece: Int

  func run(_ index: Int, worker: Int) {
    let start = index * piece * width
    let count = min(piece, rows - index * piece)
    kernels.activation_backward(raw + start, count * width, activation, gradient + start)
  }
}
