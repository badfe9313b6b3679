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
  /// is read.
  func forward(
    _ input: LinearInput, activation: ck_activation = CK_IDENTITY, residual: UnsafePointer<Float>? = nil,
    out: UnsafeMutablePointer<Float>, stride: Int, on execution: Execution
  ) {
    switch weight {
    case .float(let weight):
      let tiles = FloatTiles(
        kernels: execution.kernels, linear: self, weight: weight, input: input, activation: activation,
        residual: residual, out: out, stride: stride)
      execution.pool.run(tiles, count: tiles.count)
    case .int8(let weight):
      guard let quantized = input.quantized else { return }
      let arguments = ck_linear_u8s8(
        a: quantized.values, lda: quantized.stride, a_scale: quantized.scale, a_zero: quantized.zero,
        rows: input.rows, depth: weight.depth, w: weight.packed, w_scale: weight.scale,
        w_colsum: weight.columnSum, bias: bias, block_begin: 0, block_end: weight.blocks, columns: outputs,
        activation: activation, residual: residual, ldr: stride, out: out, ldo: stride)
      let tiles = Int8Tiles(
        kernels: execution.kernels, arguments: arguments, threads: execution.pool.threads)
      execution.pool.run(tiles, count: tiles.count)
    }
  }
}

/// A product of rows with float weights, in pieces that are activated while they are in the cache.
private struct FloatTiles: ParallelTask {
  let kernels: ck_kernels
  let linear: Linear
  let weight: UnsafePointer<Float>
  let input: LinearInput
  let activation: ck_activation
  let residual: UnsafePointer<Float>?
  let out: UnsafeMutablePointer<Float>
  let stride: Int

  private var pieces: ProductPieces { ProductPieces(rows: input.rows, columns: linear.outputs) }
  var count: Int { pieces.count }

  func run(_ index: Int, worker: Int) {
    let (rows, channels) = pieces[index]
    let offset = rows.lowerBound * stride + channels.lowerBound
    BLAS.multiply(
      BLAS.Operand(input.float + rows.lowerBound * input.stride, stride: input.stride),
      BLAS.Operand(weight + channels.lowerBound * linear.inputs, stride: linear.inputs, transposed: true),
      rows: rows.count, columns: channels.count, depth: linear.inputs, out: out + offset, stride: stride)
    kernels.bias_activation(
      out + offset, stride, rows.count, channels.count, linear.bias.map { $0 + channels.lowerBound },
      activation, residual.map { $0 + offset }, stride)
  }
}

/// A product of rows with int8 weights, cut into tiles of rows and blocks of channels.
///
/// A tile's blocks lie one after the other in memory, and the kernel fetches the next while it multiplies by
/// one: long tiles are best, as many as keep all threads at work to the end.
private struct Int8Tiles: ParallelTask {
  let kernels: ck_kernels
  let arguments: ck_linear_u8s8
  private let blocksPerTile: Int

  // The rows of a tile, of some 768 to 3,072 bytes, stay in the second-level cache.
  private static let rowsPerTile = 128
  private static let tilesPerThread = 2

  init(kernels: ck_kernels, arguments: ck_linear_u8s8, threads: Int) {
    self.kernels = kernels
    self.arguments = arguments
    let tiles = threads > 1 ? Self.tilesPerThread * threads : 1
    // Whole panels of the kernels, which are four blocks.
    blocksPerTile = ((arguments.block_end + tiles - 1) / tiles + 3) & ~3
  }

  private var columnTiles: Int { (arguments.block_end + blocksPerTile - 1) / blocksPerTile }
  private var rowTiles: Int { (arguments.rows + Self.rowsPerTile - 1) / Self.rowsPerTile }
  var count: Int { columnTiles * rowTiles }

  func run(_ index: Int, worker: Int) {
    let row = index / columnTiles * Self.rowsPerTile
    let block = index % columnTiles * blocksPerTile
    var tile = arguments
    tile.a += row * arguments.lda
    tile.a_scale += row
    tile.a_zero += row
    tile.rows = min(Self.rowsPerTile, arguments.rows - row)
    tile.block_begin = block
    tile.block_end = min(block + blocksPerTile, arguments.block_end)
    tile.out += row * arguments.ldo
    if let residual = arguments.residual { tile.residual = residual + row * arguments.ldr }
    withUnsafePointer(to: tile) { kernels.linear_u8s8($0) }
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

  func run(_ index: Int, worker: Int) {
    let row = index * piece
    let part = out.advanced(by: row)
    kernels.quantize_rows(
      x + row * stride, stride, min(piece, rows - row), columns, smooth, part.values, part.stride, part.scale,
      part.zero)
  }
}
