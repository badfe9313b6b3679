extension Gate {
  /// The gate as a layer.
  private var layer: Linear { Linear(inputs: inputs, outputs: experts, weight: .float(weight), bias: bias) }

  /// From the gradient `dp` of the probabilities `p`, both `[queries, N]`, to those of weight and bias. `dp` is
  /// overwritten; the gradients of the question and of the pooled image, the first and the last inputs, are added
  /// to those that are wanted.
  ///
  /// For a softmax `dl = p (dp - sum p dp)`. The same holds with top-k, whose `p = s / S` over the kept: the
  /// derivative of the division and that of the softmax combine, and where `p` is 0 so is `dl`.
  func backward(
    _ x: LinearInput, p: UnsafePointer<Float>, dp: UnsafeMutablePointer<Float>, imageWidth: Int,
    wanted: HeadInputGradients, into gradients: Gradients, on execution: Execution
  ) {
    for row in 0..<x.rows {
      let (p, dp) = (p + row * experts, dp + row * experts)
      var mean: Float = 0
      for expert in 0..<experts { mean += p[expert] * dp[expert] }
      for expert in 0..<experts { dp[expert] = p[expert] * (dp[expert] - mean) }
    }
    // As the probabilities, of which the largest may decide, in float32 always.
    layer.weightGradient(of: Rows(dp, stride: experts), input: x, into: gradients, on: execution.inFloat32)
    let questionWidth = inputs - imageWidth
    for (target, offset, width) in [
      (wanted.question, 0, questionWidth), (wanted.image, questionWidth, imageWidth),
    ] {
      guard let target else { continue }
      // Only these columns of the weight.
      MatrixProduct.float32.multiply(
        BLAS.Operand(dp, stride: experts), BLAS.Operand(weight + offset, stride: inputs), rows: x.rows,
        columns: width, depth: experts, accumulates: true, out: target, stride: width,
        on: execution.pool)
    }
  }
}
