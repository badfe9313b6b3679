extension Linear {
  /// The gradients of what is trained of the layer: weight and bias, or its adapter, or nothing.
  func trainedGradient(
    of dy: Rows, input x: LinearInput, into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    guard case .float(let weight) = weight else { return }
    if let adapter = gradients.adapter(of: weight) {
      try adapter.gradient(of: dy, outputs: outputs, input: x, inputs: inputs, into: gradients, on: execution)
    } else if gradients.contain(weight) {
      weightGradient(of: dy, input: x, into: gradients, on: execution)
    }
  }
}

extension LowRankAdapter {
  /// `dA = s (dy B)ᵀ x` and `dB = s dyᵀ (x Aᵀ)`, from the gradient of the output, `dy[rows, outputs]`. W' needs none of
  /// its own, and the input's is the layer's, through W'.
  fileprivate func gradient(
    of dy: Rows, outputs: Int, input x: LinearInput, inputs: Int, into gradients: Gradients,
    on execution: Execution
  ) throws(ARMSError) {
    let (rows, product, pool) = (x.rows, execution.product, execution.pool)
    let values = BLAS.Operand(x.float, stride: x.stride)
    let reduced = try execution.arena.allocate(Float.self, rows * rank)
    func scaled() -> UnsafePointer<Float> {
      for place in 0..<rows * rank { reduced[place] *= scale }
      return UnsafePointer(reduced)
    }
    product.multiply(
      BLAS.Operand(dy.start, stride: dy.stride), BLAS.Operand(b, stride: rank), rows: rows, columns: rank,
      depth: outputs, out: reduced, stride: rank, on: pool)
    product.multiply(
      BLAS.Operand(scaled(), stride: rank, transposed: true), values, rows: rank, columns: inputs,
      depth: rows, accumulates: gradients.accumulates, out: gradients.of(a), stride: inputs, on: pool)
    product.multiply(
      values, BLAS.Operand(a, stride: inputs, transposed: true), rows: rows, columns: rank, depth: inputs,
      out: reduced, stride: rank, on: pool)
    product.multiply(
      BLAS.Operand(dy.start, stride: dy.stride, transposed: true), BLAS.Operand(scaled(), stride: rank),
      rows: outputs, columns: rank, depth: rows, accumulates: gradients.accumulates, out: gradients.of(b),
      stride: rank, on: pool)
  }
}
