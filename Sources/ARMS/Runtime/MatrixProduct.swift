import CKernels

/// How the products of float matrices in the linear layers are computed.
struct MatrixProduct {
  private typealias Kernel = @convention(c) (UnsafePointer<ck_gemm>?) -> Void

  /// nil: in float32, by OpenBLAS.
  private let rounded: (kernel: Kernel, scratch: UnsafeMutableRawPointer, threads: Int)?

  /// In float32.
  static var float32: MatrixProduct { MatrixProduct(rounded: nil) }

  /// Of operands rounded to bfloat16, with float32 sums. `scratch`: `ck_gemm_scratch` bytes for each of `threads`.
  static func bfloat16(
    _ kernels: ck_kernels, scratch: UnsafeMutableRawPointer, threads: Int
  ) -> MatrixProduct {
    MatrixProduct(rounded: (kernels.gemm_bf16, scratch, threads))
  }

  /// How a product is cut for the threads of a pool.
  func pieces(rows: Int, columns: Int) -> ProductPieces {
    guard let rounded else { return ProductPieces(rows: rows, columns: columns) }
    return ProductPieces(rows: rows, columns: columns, threads: rounded.threads)
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
    let pieces = pieces(rows: rows, columns: columns)
    let task = PieceProducts(
      product: self, pieces: pieces, left: left, right: right, depth: depth, accumulates: accumulates,
      out: out, stride: stride)
    pool.run(task, count: pieces.count)
  }
}

/// A product cut along its longer side.
struct ProductPieces {
  let count: Int
  private let rows: Int
  private let columns: Int
  private let size: Int
  private var cutsRows: Bool { rows >= columns }

  private init(rows: Int, columns: Int, size: Int) {
    self.rows = rows
    self.columns = columns
    self.size = size
    count = (max(rows, columns) + size - 1) / size
  }

  /// Pieces for OpenBLAS, which chooses the order of sums by the size of a product: the pieces do not depend on the
  /// number of threads, and so the sums have the same bits with any. Smaller ones would cost: every call packs both
  /// its operands.
  init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, size: 128)
  }

  /// Pieces for a kernel whose sums have one order in products of any size: as large as they may be if all threads
  /// are to have as much to do, so that little is packed more than once.
  init(rows: Int, columns: Int, threads: Int) {
    let (side, most) = (max(rows, columns), 512)
    let rounds = max(1, (side + most * threads - 1) / (most * threads))
    // A multiple of AMX's squares, and not less than the widest tile of the other kernels.
    let size = (side + rounds * threads - 1) / (rounds * threads)
    self.init(rows: rows, columns: columns, size: max(96, (size + 31) & ~31))
  }

  /// The rows and the columns of a piece.
  subscript(index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let part = index * size..<min((index + 1) * size, max(rows, columns))
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
