import CBLAS

/// Float matrix products on OpenBLAS, which is loaded at the first use.
enum BLAS {
  /// Loads OpenBLAS if it is not there yet.
  static func load() throws(ARMSError) {
    if let failure = blas_load() { throw ARMSError(.unsupported, String(cString: failure)) }
  }

  /// `out[rows, outputs] = x[rows, inputs] weight[outputs, inputs]ᵀ` on this thread. Only after ``load()``
  /// succeeded; the sizes were validated when the weights were loaded.
  static func multiply(
    _ x: UnsafePointer<Float>, ldx: Int, rows: Int, inputs: Int,
    weight: UnsafePointer<Float>, outputs: Int,
    out: UnsafeMutablePointer<Float>, ldo: Int
  ) {
    blas_sgemm_nt(
      Int32(truncatingIfNeeded: rows), Int32(truncatingIfNeeded: outputs), Int32(truncatingIfNeeded: inputs),
      x, Int32(truncatingIfNeeded: ldx), weight, Int32(truncatingIfNeeded: inputs),
      out, Int32(truncatingIfNeeded: ldo))
  }
}
