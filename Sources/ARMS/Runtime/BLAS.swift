import CBLAS

/// Float matrix products on OpenBLAS, which is loaded at the first use.
enum BLAS {
  /// A row-major matrix as a product reads it.
  struct Operand {
    let start: UnsafePointer<Float>
    /// Floats from row to row, as stored.
    let stride: Int
    /// Whether the product reads the transpose of what is stored.
    let isTransposed: Bool

    init(_ start: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
      self.start = start
      self.stride = stride
      isTransposed = transposed
    }

    /// The operand from a row of the product's left side, or a column of its right side, on.
    func advanced(by count: Int, alongRows: Bool) -> Operand {
      // Rows of what is stored are rows of the operand, unless it is transposed.
      let offset = alongRows == isTransposed ? count : count * stride
      return Operand(start + offset, stride: stride, transposed: isTransposed)
    }
  }

  /// Loads OpenBLAS if it is not there yet.
  static func load() throws(ARMSError) {
    var reason: UnsafePointer<CChar>?
    let status = blas_load(&reason)
    guard status != BLAS_LOADED, let reason else { return }
    throw ARMSError(status == BLAS_OUT_OF_MEMORY ? .outOfMemory : .unsupported, String(cString: reason))
  }

  /// `out[rows, columns] = left[rows, depth] right[depth, columns]`, added to what `out` holds if
  /// `accumulates`, on this thread. Only after ``load()`` succeeded; the sizes were validated when the weights
  /// were loaded.
  static func multiply(
    _ left: Operand, _ right: Operand, rows: Int, columns: Int, depth: Int, accumulates: Bool = false,
    out: UnsafeMutablePointer<Float>, stride: Int
  ) {
    blas_sgemm(
      left.isTransposed ? 1 : 0, right.isTransposed ? 1 : 0, Int32(truncatingIfNeeded: rows),
      Int32(truncatingIfNeeded: columns), Int32(truncatingIfNeeded: depth), left.start,
      Int32(truncatingIfNeeded: left.stride), right.start, Int32(truncatingIfNeeded: right.stride),
      accumulates ? 1 : 0, out, Int32(truncatingIfNeeded: stride))
  }
}
