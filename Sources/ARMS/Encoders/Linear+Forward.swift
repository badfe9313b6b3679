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

  /// `out[rows, outputs] = activation(x Wᵀ + b) + residual`.
  ///
  /// `residual` has the stride of `out`, and may be `out`, if the weights are int8 or it is not the same
  /// memory; a float product overwrites `out` before the residual is read.
  func forward(
    _ input: LinearInput, activation: ck_activation = CK_IDENTITY, residual: UnsafePointer<Float>? = nil,
    out: UnsafeMutablePointer<Float>, stride: Int, on execution: Execution
  ) {
    forward(
      input, channels: 0..<outputs, activation: activation, residual: residual, out: out, stride: stride,
      on: execution)
  }

  /// The same for some of the output channels; `out` and `residual` are indexed by the channel as if all were
  /// computed. int8 computes whole blocks of 16, so that channels next to the range are written as well.
  func forward(
    _ input: LinearInput, channels: Range<Int>, activation: ck_activation = CK_IDENTITY,
    residual: UnsafePointer<Float>? = nil, out: UnsafeMutablePointer<Float>, stride: Int,
    on execution: Execution
  ) {
    switch weight {
    case .float(let weight):
      BLAS.multiply(
        BLAS.Operand(input.float, stride: input.stride),
        BLAS.Operand(weight + channels.lowerBound * inputs, stride: inputs, transposed: true),
        rows: input.rows, columns: channels.count, depth: inputs, out: out + channels.lowerBound,
        stride: stride, threads: execution.pool.threads)
      let piece = execution.rowsPerPiece(input.rows, minimum: 8)
      execution.pool.run(
        BiasActivation(
          kernels: execution.kernels, x: out + channels.lowerBound, stride: stride, rows: input.rows,
          columns: channels.count, bias: bias.map { $0 + channels.lowerBound }, activation: activation,
          residual: residual.map { $0 + channels.lowerBound }, piece: piece),
        count: (input.rows + piece - 1) / piece)
    case .int8(let weight):
      guard let quantized = input.quantized else { return }
      let arguments = ck_linear_u8s8(
        a: quantized.values, lda: quantized.stride, a_scale: quantized.scale, a_zero: quantized.zero,
        rows: input.rows, depth: weight.depth, w: weight.packed, w_scale: weight.scale,
        w_colsum: weight.columnSum, bias: bias, block_begin: 0, block_end: 0, columns: outputs,
        activation: activation, residual: residual, ldr: stride, out: out, ldo: stride)
      let tiles = LinearTiles(
        kernels: execution.kernels, arguments: arguments,
        blocks: channels.lowerBound / 16..<(channels.upperBound + 15) / 16)
      execution.pool.run(tiles, count: tiles.count)
    }
  }
}

/// A product of rows with int8 weights, cut into tiles of rows and blocks of channels.
private struct LinearTiles: ParallelTask {
  let kernels: ck_kernels
  let arguments: ck_linear_u8s8
  let blocks: Range<Int>

  // A tile's weights, 64 channels of some 768 inputs, and the rows it reads stay in the second-level cache.
  private static let blocksPerTile = 4
  private static let rowsPerTile = 128

  private var columnTiles: Int { (blocks.count + Self.blocksPerTile - 1) / Self.blocksPerTile }
  private var rowTiles: Int { (arguments.rows + Self.rowsPerTile - 1) / Self.rowsPerTile }
  var count: Int { columnTiles * rowTiles }

  func run(_ index: Int, worker: Int) {
    let row = index / columnTiles * Self.rowsPerTile
    let block = blocks.lowerBound + index % columnTiles * Self.blocksPerTile
    var tile = arguments
    tile.a += row * arguments.lda
    tile.a_scale += row
    tile.a_zero += row
    tile.rows = min(Self.rowsPerTile, arguments.rows - row)
    tile.block_begin = block
    tile.block_end = min(block + Self.blocksPerTile, blocks.upperBound)
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

private struct BiasActivation: ParallelTask {
  let kernels: ck_kernels
  let x: UnsafeMutablePointer<Float>
  let stride: Int
  let rows: Int
  let columns: Int
  let bias: UnsafePointer<Float>?
  let activation: ck_activation
  let residual: UnsafePointer<Float>?
  let piece: Int

  func run(_ index: Int, worker: Int) {
    let row = index * piece
    kernels.bias_activation(
      x + row * stride, stride, min(piece, rows - row), columns, bias, activation,
      residual.map { $0 + row * stride }, stride)
  }
}
