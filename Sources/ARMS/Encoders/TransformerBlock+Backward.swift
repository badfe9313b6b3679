import CKernels

extension TransformerBlock {
  /// What the backward pass reads; each `[rows, width]`.
  struct Kept {
    let input: UnsafeMutablePointer<Float>
    /// LN1 of the input; only `preNorm`.
    let normedInput: UnsafeMutablePointer<Float>
    let query: UnsafeMutablePointer<Float>
    let key: UnsafeMutablePointer<Float>
    let value: UnsafeMutablePointer<Float>
    let attended: UnsafeMutablePointer<Float>
    /// Behind the attention's residual, and normalised: what the feed-forward reads.
    let summed: UnsafeMutablePointer<Float>
    let normed: UnsafeMutablePointer<Float>
    /// Before LN2; only `postNorm`.
    let last: UnsafeMutablePointer<Float>
    let feedForward: FeedForward.Kept

    init(rows: Int, block: TransformerBlock, in arena: ScratchArena) throws(ARMSError) {
      func room() throws(ARMSError) -> UnsafeMutablePointer<Float> {
        try arena.allocate(Float.self, rows * block.width)
      }
      input = try room()
      normedInput = block.order == .preNorm ? try room() : input
      query = try room()
      key = try room()
      value = try room()
      attended = try room()
      summed = try room()
      normed = try room()
      last = block.order == .postNorm ? try room() : summed
      feedForward = try FeedForward.Kept(rows: rows, width: block.up.outputs, in: arena)
    }
  }

  private var feedForward: FeedForward { FeedForward(up: up, down: down, activation: activation) }

  /// Runs the block over `kept.input`, `[rows, width]`, and writes `out`.
  func forward(
    _ sequences: Sequences, keeping kept: Kept, out: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    let rows = sequences.rows
    func input(_ x: UnsafeMutablePointer<Float>) -> LinearInput { Rows(x, stride: width).input(count: rows) }
    if order == .preNorm { norm1.forward(kept.input, rows: rows, out: kept.normedInput, on: execution) }
    query.forward(input(kept.normedInput), out: kept.query, stride: width, on: execution)
    key.forward(input(kept.normedInput), out: kept.key, stride: width, on: execution)
    value.forward(input(kept.normedInput), out: kept.value, stride: width, on: execution)
    let stride = MultiHeadAttention.scratchStride(
      longest: sequences.longest, headWidth: width / heads)
    let attention = MultiHeadAttention(
      kernels: execution.kernels, sequences: sequences, heads: heads, width: width, query: kept.query,
      kept: .all,
      key: kept.key, value: kept.value, out: kept.attended,
      scratch: try execution.arena.allocate(Float.self, stride * execution.pool.threads),
      scratchStride: stride)
    execution.pool.run(attention, count: attention.count)
    output.forward(input(kept.attended), residual: kept.input, out: kept.summed, stride: width, on: execution)
    switch order {
    case .preNorm:
      norm2.forward(kept.summed, rows: rows, out: kept.normed, on: execution)
      feedForward.forward(
        input(kept.normed), keeping: kept.feedForward, residual: kept.summed, out: out, on: execution)
    case .postNorm:
      norm1.forward(kept.summed, rows: rows, out: kept.normed, on: execution)
      feedForward.forward(
        input(kept.normed), keeping: kept.feedForward, residual: kept.normed, out: kept.last, on: execution)
      norm2.forward(kept.last, rows: rows, out: out, on: execution)
    }
  }

  /// Turns the gradient of the output, `gradient`, `[rows, width]`, into that of the input, in place; unless
  /// `wantsInput`, of the lowest trained block, only into those of the weights.
  func backward(
    _ sequences: Sequences, kept: Kept, gradient: UnsafeMutablePointer<Float>, wantsInput: Bool,
    into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let (rows, arena) = (sequences.rows, execution.arena)
    let hidden = try arena.allocate(Float.self, rows * up.outputs)
    let room = try arena.allocate(Float.self, rows * width)
    let normed = Rows(kept.normed, stride: width).input(count: rows)
    let dy = Rows(gradient, stride: width)
    switch order {
    case .preNorm:
      try feedForward.backward(
        normed, kept: kept.feedForward, dy: dy, dx: room, hiddenGradient: hidden, into: gradients,
        on: execution)
      try norm2.backward(kept.summed, rows: rows, dy: room, dx: room, into: gradients, on: execution)
      execution.add(room, to: gradient, count: rows * width)
      try attentionBackward(
        sequences, kept: kept, dy: dy, dx: room, adds: false, into: gradients, on: execution)
      // Its own weights need the gradient of its output even if nobody needs that of its input.
      try norm1.backward(kept.input, rows: rows, dy: room, dx: room, into: gradients, on: execution)
      execution.add(room, to: gradient, count: rows * width)
    case .postNorm:
      try norm2.backward(kept.last, rows: rows, dy: gradient, dx: gradient, into: gradients, on: execution)
      try feedForward.backward(
        normed, kept: kept.feedForward, dy: dy, dx: gradient, accumulates: true, hiddenGradient: hidden,
        into: gradients, on: execution)
      try norm1.backward(kept.summed, rows: rows, dy: gradient, dx: gradient, into: gradients, on: execution)
      try attentionBackward(
        sequences, kept: kept, dy: dy, dx: wantsInput ? gradient : nil, adds: true, into: gradients,
        on: execution)
    }
  }

  /// From the gradient behind the output layer to that of what query, key and value read, which is written to
  /// `dx`, if it is wanted, or added to it.
  private func attentionBackward(
    _ sequences: Sequences, kept: Kept, dy: Rows, dx: UnsafeMutablePointer<Float>?, adds: Bool,
    into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let (rows, arena) = (sequences.rows, execution.arena)
    let attended = Rows(try arena.allocate(Float.self, rows * width), stride: width)
    try output.trainedGradient(
      of: dy, input: Rows(kept.attended, stride: width).input(count: rows), into: gradients, on: execution)
    output.inputGradient(of: dy, count: rows, into: attended, on: execution)
    let stride = MultiHeadAttentionBackward.scratchStride(longest: sequences.longest)
    let attention = MultiHeadAttentionBackward(
      kernels: execution.kernels, sequences: sequences, heads: heads, width: width, query: kept.query,
      key: kept.key, value: kept.value, outGradient: attended.start,
      queryGradient: try arena.allocate(Float.self, rows * width),
      keyGradient: try arena.allocate(Float.self, rows * width),
      valueGradient: try arena.allocate(Float.self, rows * width),
      scratch: try arena.allocate(Float.self, stride * execution.pool.threads))
    execution.pool.run(attention, count: attention.count)
    let input = Rows(kept.normedInput, stride: width).input(count: rows)
    var adds = adds
    for (layer, gradient) in [
      (query, attention.queryGradient), (key, attention.keyGradient), (value, attention.valueGradient),
    ] {
      let dy = Rows(gradient, stride: width)
      try layer.trainedGradient(of: dy, input: input, into: gradients, on: execution)
      guard let dx else { continue }
      layer.inputGradient(
        of: dy, count: rows, accumulates: adds, into: Rows(dx, stride: width), on: execution)
      adds = true
    }
  }
}

extension Execution {
  /// `y += x`, `count` floats.
  func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    let piece = 64 << 10
    pool.run(AddFloats(x: x, y: y, total: count, piece: piece), count: (count + piece - 1) / piece)
  }
}

private struct AddFloats: ParallelTask {
  let x: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
  let total: Int
  let piece: Int

  func run(_ index: Int, worker: Int) {
    for place in index * piece..<min(total, (index + 1) * piece) { y[place] += x[place] }
  }
}
