import CKernels

extension Linear {
  /// Rows of `x` as this layer reads them: quantised into `room` if the weights are int8.
  func input(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, room: QuantizedRows, on execution: Execution
  ) -> LinearInput {
    guard case .int8(let weight) = weight else {
      return LinearInput(rows: rows, float: x, stride: stride, quantized: nil)
    }
    let quantized = room.reshaped(columns: inputs)
    let piece = execution.rowsPerPiece(rows, minimum: 8)
    execution.pool.run(
      QuantizeRows(
        kernels: execution.kernels, x: x, stride: stride, rows: rows, columns: inputs,
        smooth: weight.smooth, out: quantized, piece: piece),
      count: (rows + piece - 1) / piece)
    return LinearInput(rows: rows, float: x, stride: stride, quantized: quantized)
  }

  /// `out[rows, outputs] = activation(x Wᵀ + b) + residual`; `out` and `residual` have the same stride.
  ///
  /// `residual` may be `out` only if the weights are int8: a float product overwrites `out` before the residual
  /// is read. `next` is the layer that runs after this one: its first weights are fetched meanwhile.
  func forward(
    _ input: LinearInput, activation: ck_activation = CK_IDENTITY, residual: UnsafePointer<Float>? = nil,
    out: UnsafeMutablePointer<Float>, stride: Int, before next: Linear? = nil, on execution: Execution
  ) {
    switch weight {
    case .float(let weight):
      let tiles = FloatTiles(
        kernels: execution.kernels, product: execution.product, linear: self, weight: weight, input: input,
        activation: activation, residual: residual, out: out, stride: stride)
      execution.pool.run(tiles, count: tiles.count)
    case .int8(let weight):
      guard let quantized = input.quantized else { return }
      let arguments = ck_linear_u8s8(
        a: quantized.values, lda: quantized.stride, a_scale: quantized.scale, a_zero: quantized.zero,
        rows: input.rows, depth: weight.depth, w: weight.packed, w_scale: weight.scale,
        w_colsum: weight.columnSum, bias: bias, block_begin: 0, block_end: weight.blocks, columns: outputs,
        activation: activation, residual: residual, ldr: stride, out: out, ldo: stride, next: nil,
        scratch: nil)
      let tiles = RowTiles(rows: input.rows, depth: weight.depth)
      for tile in 0..<tiles.count {
        let pieces = Int8Pieces(
          kernels: execution.kernels, arguments: arguments, room: quantized, rows: tiles[tile],
          threads: execution.pool.threads,
          next: tile + 1 < tiles.count ? self : next)
        execution.pool.run(pieces, count: pieces.count)
      }
    }
  }
}

/// The rows of an int8 product, in tiles that stay in the second-level cache while all weights pass over them.
private struct RowTiles {
  let rows: Int
  let count: Int

  /// Bytes of a tile. A panel of weights, 48 to 256 KB, is in the cache too.
  private static let byteCount = 640 << 10

  init(rows: Int, depth: Int) {
    self.rows = rows
    let most = max(16, Self.byteCount / max(1, depth))
    count = (rows + most - 1) / most
  }

  /// All tiles have nearly the same height.
  subscript(index: Int) -> Range<Int> {
    ThreadPool.start(
      ofShare: index, of: count, count: rows)..<ThreadPool.start(ofShare: index + 1, of: count, count: rows)
  }
}

/// A product of rows with float weights, in pieces of which each is activated at once.
private struct FloatTiles: ParallelTask {
  let kernels: ck_kernels
  let product: MatrixProduct
  let linear: Linear
  let weight: UnsafePointer<Float>
  let input: LinearInput
  let activation: ck_activation
  let residual: UnsafePointer<Float>?
  let out: UnsafeMutablePointer<Float>
  let stride: Int

  private var pieces: ProductPieces { product.pieces(rows: input.rows, columns: linear.outputs) }
  var count: Int { pieces.count }
  var multiplyAdds: Double { Double(input.rows) * Double(linear.inputs) * Double(linear.outputs) }

  func run(_ index: Int, worker: Int) {
    let (rows, channels) = pieces[index]
    let offset = rows.lowerBound * stride + channels.lowerBound
    product.multiply(
      BLAS.Operand(input.float + rows.lowerBound * input.stride, stride: input.stride),
      BLAS.Operand(weight + channels.lowerBound * linear.inputs, stride: linear.inputs, transposed: true),
      rows: rows.count, columns: channels.count, depth: linear.inputs, out: out + offset, stride: stride,
      worker: worker)
    kernels.bias_activation(
      out + offset, stride, rows.count, channels.count, linear.bias.map { $0 + channels.lowerBound },
      activation, residual.map { $0 + offset }, stride)
  }
}

/// A product of rows with int8 weights, cut into pieces of some of the panels of blocks that the kernels work on.
///
/// The pieces of a thread lie one after the other in memory, and the kernel fetches the next while it multiplies
/// by one: of the last panel of a thread, the first that falls to it of the next layer.
private struct Int8Pieces: ParallelTask {
  let kernels: ck_kernels
  let arguments: ck_linear_u8s8
  let room: QuantizedRows
  let threads: Int
  let next: Linear?
  let count: Int

  /// Blocks of a panel: every kernel multiplies whole tiles of so many.
  static let blocks = 4
  private static let piecesPerThread = 3
  private let panelsPerPiece: Int

  var multiplyAdds: Double { Double(arguments.rows) * Double(arguments.depth) * Double(arguments.columns) }

  init(
    kernels: ck_kernels, arguments: ck_linear_u8s8, room: QuantizedRows, rows: Range<Int>, threads: Int,
    next: Linear?
  ) {
    self.kernels = kernels
    self.room = room
    self.threads = threads
    self.next = next
    // A thread alone needs no cut. Of several one may be late: the others take pieces of its share.
    let panels = Self.panels(arguments.block_end)
    panelsPerPiece = threads > 1 ? max(1, panels / (Self.piecesPerThread * threads)) : max(1, panels)
    count = (panels + panelsPerPiece - 1) / panelsPerPiece
    var tile = arguments
    tile.a += rows.lowerBound * arguments.lda
    tile.a_scale += rows.lowerBound
    tile.a_zero += rows.lowerBound
    tile.rows = rows.count
    tile.out += rows.lowerBound * arguments.ldo
    tile.residual = arguments.residual.map { $0 + rows.lowerBound * arguments.ldr }
    self.arguments = tile
  }

  func run(_ index: Int, worker: Int) {
    var piece = arguments
    piece.block_begin = index * panelsPerPiece * Self.blocks
    piece.block_end = min(piece.block_begin + panelsPerPiece * Self.blocks, arguments.block_end)
    if index + 1 == ThreadPool.start(ofShare: worker + 1, of: threads, count: count) {
      piece.next = next?.firstWeights(of: worker, threads: threads)
    }
    piece.scratch = room.scratch(of: worker)
    withUnsafePointer(to: piece) { kernels.linear_u8s8($0) }
  }

  static func panels(_ blocks: Int) -> Int { (blocks + Self.blocks - 1) / Self.blocks }
}

extension Linear {
  /// Where the weights begin that fall to thread `worker`; nil if they are float.
  fileprivate func firstWeights(of worker: Int, threads: Int) -> UnsafePointer<Int8>? {
    guard case .int8(let weight) = weight else { return nil }
    let panel = ThreadPool.start(ofShare: worker, of: threads, count: Int8Pieces.panels(weight.blocks))
    return weight.packed + panel * Int8Pieces.blocks * 16 * weight.depth
  }
}

private struct QuantizeRows: ParallelTask {
  let kernels: ck_kernels
  let x: UnsafePointer<Float>
  let stride: Int
  let rows: Int
  let columns: Int
  let smooth: UnsafePointer<Float>?
  let out: QuantizedRows
  let piece: Int

  var multiplyAdds: Double { Double(rows) * Double(columns) * 8 }

  func run(_ index: Int, worker: Int) {
    let row = index * piece
    let part = out.advanced(by: row)
    kernels.quantize_rows(
      x + row * stride, stride, min(piece, rows - row), columns, smooth, part.values, part.stride, part.scale,
      part.zero)
  }
}
