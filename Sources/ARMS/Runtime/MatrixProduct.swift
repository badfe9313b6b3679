import CKernels

/// How the products of float matrices in the linear layers are computed.
struct MatrixProduct {
  private typealias Kernel = @convention(c) (UnsafePointer<ck_gemm>?) -> Void

  /// nil: in float32, by OpenBLAS.
  private let rounded: (kernel: Kernel, scratch: UnsafeMutableRawPointer)?

  /// In float32.
  static var float32: MatrixProduct { MatrixProduct(rounded: nil) }

  /// Of operands rounded to bfloat16, with float32 sums. `scratch`: `ck_gemm_scratch` bytes for each thread.
  static func bfloat16(_ kernels: ck_kernels, scratch: UnsafeMutableRawPointer) -> MatrixProduct {
    MatrixProduct(rounded: (kernels.gemm_bf16, scratch))
  }

  /// `out[rows, columns] = left[rows, depth] right[depth, columns]`, added to what `out` holds if
  /// `accumulates`, on thread `worker` of a pool.
  func multiply(
    _ left: BLAS.Operand, _ right: BLAS.Operand, rows: Int, columns: Int, depth: Int,
    accumulates: Bool = false, out: UnsafeMutablePointer<Float>, stride: Int, worker: Int
  ) {
    guard let rounded else {
      BLAS.multiply(
        left, right, rows: rows, columns: columns, depth: depth, accumulates: accumulates, out: out,
        stride: stride)
      return
    }
    var arguments = ck_gemm(
      a: left.start, lda: left.stride, transpose_a: left.isTransposed ? 1 : 0, b: right.start,
      ldb: right.stride, transpose_b: right.isTransposed ? 1 : 0, rows: rows, columns: columns, depth: depth,
      accumulates: accumulates ? 1 : 0, out: out, ldo: stride,
      scratch: rounded.scratch + worker * Int(ck_gemm_scratch))
    rounded.kernel(&arguments)
  }

  /// The same on all threads of a pool.
  func multiply(
    _ left: BLAS.Operand, _ right: BLAS.Operand, rows: Int, columns: Int, depth: Int,
    accumulates: Bool = false, out: UnsafeMutablePointer<Float>, stride: Int, on pool: ThreadPool
  ) {
    let pieces = ProductPieces(rows: rows, columns: columns)
    let task = PieceProducts(
      product: self, pieces: pieces, left: left, right: right, depth: depth, accumulates: accumulates,
      out: out, stride: stride)
    pool.run(task, count: pieces.count)
  }
}

/// A product cut along its longer side.
///
/// The pieces do not depend on the number of threads, and so the sums, whose order OpenBLAS chooses by the size of
/// a product, have the same bits with any number. Smaller pieces would cost: every call packs both its operands.
struct ProductPieces {
  let rows: Int
  let columns: Int

  private static let size = 128
  private var cutsRows: Bool { rows >= columns }
  var count: Int { (max(rows, columns) + Self.size - 1) / Self.size }

  /// The rows and the columns of a piece.
  subscript(index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let part = index * Self.size..<min((index + 1) * Self.size, max(rows, columns))
    return cutsRows ? (part, 0..<columns) : (0..<rows, part)
  }
}

private struct PieceProducts: ParallelTask {
  let product: MatrixProduct
  let pieces: ProductPieces
  let left: BLAS.Operand
  let right: BLAS.Operand
  let depth: Int
  let accumulates: Bool
  let out: UnsafeMutablePointer<Float>
  let stride: Int

  func run(_ index: Int, worker: Int) {
    let (rows, columns) = pieces[index]
    product.multiply(
      left.advanced(by: rows.lowerBound, alongRows: true),
      right.advanced(by: columns.lowerBound, alongRows: false),
      rows: rows.count, columns: columns.count, depth: depth, accumulates: accumulates,
      out: out + rows.lowerBound * stride + columns.lowerBound, stride: stride, worker: worker)
  }
}
