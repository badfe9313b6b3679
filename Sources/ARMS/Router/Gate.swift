import CKernels

/// The gate network: which experts a query is for, `p_i = softmax(W [q_i; g_i] + b)` (Eq. 2-3).
struct Gate {
  let experts: Int
  /// `d_t + d_v`
  let inputs: Int
  /// `[experts, inputs]`
  let weight: UnsafePointer<Float>
  /// `[experts]`
  let bias: UnsafePointer<Float>
  /// Experts that are kept; 0: all, a dense mixture.
  let topK: Int

  /// Writes the probabilities of one query, `[experts]`, from its `[q; g]`.
  func forward(_ query: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, _ kernels: ck_kernels) {
    kernels.gemv(weight, inputs, experts, inputs, query, bias, out)
    kernels.softmax(out, experts, 1)
    if topK > 0, topK < experts { keepLargest(out) }
  }

  /// Sets all but the `topK` largest to 0 and divides by what remains. Of equal ones the first is kept.
  private func keepLargest(_ p: UnsafeMutablePointer<Float>) {
    var kept: Float = 0
    // Few experts: counting the larger ones of each needs no memory. Marks are written as negatives. NaN, which
    // damaged weights give, stays NaN, so that it is found in the scores.
    for index in 0..<experts {
      var larger = 0
      for other in 0..<experts {
        let value = abs(p[other])
        if value > abs(p[index]) || value == abs(p[index]) && other < index { larger += 1 }
      }
      if larger < topK { kept += p[index] } else { p[index] = -p[index] }
    }
    for index in 0..<experts { p[index] = p[index] < 0 ? 0 : abs(p[index]) / kept }
  }
}
