import CKernels

/// LayerNorm over the last axis, with the biased variance.
struct LayerNorm {
  let width: Int
  /// `[width]`
  let gamma: UnsafePointer<Float>
  /// `[width]`
  let beta: UnsafePointer<Float>
  let epsilon: Float

  /// Normalises `rows` rows of `x` into `out`, which may be `x`.
  func forward(
    _ x: UnsafePointer<Float>, rows: Int, out: UnsafeMutablePointer<Float>, on execution: Execution
  ) {
    run(x, rows: rows, out: out, smooth: nil, quantized: nil, on: execution)
  }

  /// Normalises `rows` rows of `x` into `out` as `linear` reads them: quantised in the same pass into `room`
  /// if its weights are int8.
  func forward(
    _ x: UnsafePointer<Float>, rows: Int, out: UnsafeMutablePointer<Float>, for linear: Linear,
    room: QuantizedRows, on execution: Execution
  ) -> LinearInput {
    var quantized: QuantizedRows?
    var smooth: UnsafePointer<Float>?
    if case .int8(let weight) = linear.weight {
      quantized = room.reshaped(columns: width)
      smooth = weight.smooth
    }
    run(x, rows: rows, out: out, smooth: smooth, quantized: quantized, on: execution)
    return LinearInput(rows: rows, float: out, stride: width, quantized: quantized)
  }

  private func run(
    _ x: UnsafePointer<Float>, rows: Int, out: UnsafeMutablePointer<Float>, smooth: UnsafePointer<Float>?,
    quantized: QuantizedRows?, on execution: Execution
  ) {
    let piece = execution.rowsPerPiece(rows, minimum: 8)
    execution.pool.run(
      NormalizeRows(
        kernels: execution.kernels, norm: self, x: x, rows: rows, out: out, smooth: smooth,
        quantized: quantized, piece: piece),
      count: (rows + piece - 1) / piece)
  }
}

private struct NormalizeRows: ParallelTask {
  let kernels: ck_kernels
  let norm: LayerNorm
  let x: UnsafePointer<Float>
  let rows: Int
  let out: UnsafeMutablePointer<Float>
  let smooth: UnsafePointer<Float>?
  let quantized: QuantizedRows?
  let piece: Int

  var multiplyAdds: Double { Double(rows) * Double(norm.width) * 16 }

  func run(_ index: Int, worker: Int) {
    let row = index * piece
    let count = min(piece, rows - row)
    let width = norm.width
    if let part = quantized?.advanced(by: row) {
      kernels.layer_norm_quantize(
        x + row * width, width, count, width, norm.gamma, norm.beta, norm.epsilon, out + row * width, width,
        smooth, part.values, part.stride, part.scale, part.zero)
    } else {
      kernels.layer_norm(
        x + row * width, width, count, width, norm.gamma, norm.beta, norm.epsilon, out + row * width, width)
    }
  }
}
