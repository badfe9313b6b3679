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
  }

  /// Loads OpenBLAS if it is not there yet.
  static func load() throws(ARMSError) {
    if let failure = blas_load() { throw ARMSError(.unsupported, String(cString: failure)) }
  }

  /// `out[rows, columns] = left[rows, depth] right[depth, columns]` on this thread, added to what `out` holds if
  /// `accumulates`. Only after ``load()`` succeeded; the sizes were validated when the weights were loaded.
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

extension BLAS.Operand {
  /// The matrix from a row and column on, as the product sees them.
  fileprivate func advanced(row: Int, column: Int) -> BLAS.Operand {
    let offset = isTransposed ? column * stride + row : row * stride + column
    return BLAS.Operand(start + offset, stride: stride, transposed: isTransposed)
  }
}

extension Execution {
  /// As ``BLAS/multiply(_:_:rows:columns:depth:accumulates:out:stride:)``, in tiles that the threads share. The
  /// tiles are the same for any number of threads, and so are the bits.
  func multiply(
    _ left: BLAS.Operand, _ right: BLAS.Operand, rows: Int, columns: Int, depth: Int,
    accumulates: Bool = false,
    out: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let tiles = ProductTiles(
      left: left, right: right, rows: rows, columns: columns, depth: depth, accumulates: accumulates,
      out: out,
      stride: stride)
    pool.run(tiles, count: tiles.count)
  }
}

private struct ProductTiles: ParallelTask {
  let left: BLAS.Operand
  let right: BLAS.Operand
  let rows: Int
  let columns: Int
  let depth: Int
  let accumulates: Bool
  let out: UnsafeMutablePointer<Float>
  let stride: Int

  private static let side = 256
  private var across: Int { (columns + Self.side - 1) / Self.side }
  var count: Int { across * ((rows + Self.side - 1) / Self.side) }

  func run(_ index: Int, worker: Int) {
    let (row, column) = (index / across * Self.side, index % across * Self.side)
    BLAS.multiply(
      left.advanced(row: row, column: 0), right.advanced(row: 0, column: column),
      rows: min(Self.side, rows - row), columns: min(Self.side, columns - column), depth: depth,
      accumulates: accumulates, out: out + row * stride + column, stride: stride)
  }
}
