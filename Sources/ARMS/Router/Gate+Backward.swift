extension Gate {
  /// The gate as a layer.
  private var layer: Linear { Linear(inputs: inputs, outputs: experts, weight: .float(weight), bias: bias) }

  /// From the gradient `dp` of the probabilities `p`, both `[queries, N]`, to those of weight and bias. `dp` is
  /// overwritten; the gradient of the pooled image, the last `imageWidth` inputs, is added to `imageGradient`
  /// if it is wanted.
  ///
  /// For a softmax `dl = p (dp - sum p dp)`. The same holds with top-k, whose `p = s / S` over the kept: the
  /// derivative of the division and that of the softmax combine, and where `p` is 0 so is `dl`.
  func backward(
    _ x: LinearInput, p: UnsafePointer<Float>, dp: UnsafeMutablePointer<Float>, imageWidth: Int,
    imageGradient: UnsafeMutablePointer<Float>?, into gradients: Gradients, on execution: Execution
  ) {
    for row in 0..<x.rows {
      let (p, dp) = (p + row * experts, dp + row * experts)
      var mean: Float = 0
      for expert in 0..<experts { mean += p[expert] * dp[expert] }
      for expert in 0..<experts { dp[expert] = p[expert] * (dp[expert] - mean) }
    }
    layer.weightGradient(of: Rows(dp, stride: experts), input: x, into: gradients, on: execution)
    guard let imageGradient else { return }
    // Only the image's columns of the weight.
    BLAS.multiply(
      BLAS.Operand(dp, stride: experts), BLAS.Operand(weight + (inputs - imageWidth), stride: inputs),
      rows: x.rows, columns: imageWidth, depth: experts, accumulates: true, out: imageGradient,
      stride: imageWidth, on: execution.pool)
  }
}
