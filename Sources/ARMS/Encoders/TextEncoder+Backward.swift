extension TextEncoder {
  /// What the backward pass reads.
  struct Kept {
    let ids: UnsafePointer<Int32>
    let sequences: Sequences
    /// `[rows, width]`: tokens with their positions, before the norm.
    let embedded: UnsafeMutablePointer<Float>
    let blocks: UnsafeMutablePointer<TransformerBlock.Kept>
    /// `[rows, width]`: of the last block.
    let out: UnsafeMutablePointer<Float>

    init(
      _ encoder: TextEncoder, _ ids: UnsafePointer<Int32>, _ sequences: Sequences, in arena: ScratchArena
    ) throws(ARMSError) {
      self.ids = ids
      self.sequences = sequences
      embedded = try arena.allocate(Float.self, sequences.rows * encoder.width)
      blocks = try arena.allocate(TransformerBlock.Kept.self, encoder.blocks.count)
      for (number, block) in encoder.blocks.enumerated() {
        (blocks + number).initialize(
          to: try TransformerBlock.Kept(rows: sequences.rows, block: block, in: arena))
      }
      out = try arena.allocate(Float.self, sequences.rows * encoder.width)
    }
  }

  /// Encodes the sequences to `out`, `[sequences, width]`, and keeps what the backward pass reads.
  ///
  /// Every id is in the vocabulary and no sequence is longer than the context, or empty: the callers check.
  func forward(keeping kept: Kept, out: UnsafeMutablePointer<Float>, on execution: Execution)
    throws(ARMSError)
  {
    embed(kept.ids, kept.sequences, into: kept.embedded)
    embeddingNorm.forward(kept.embedded, rows: kept.sequences.rows, out: kept.blocks[0].input, on: execution)
    for (number, block) in blocks.enumerated() {
      let next = number + 1 < blocks.count ? kept.blocks[number + 1].input : kept.out
      try block.forward(kept.sequences, keeping: kept.blocks[number], out: next, on: execution)
    }
    for sequence in 0..<kept.sequences.count {
      let target = out + sequence * width
      target.update(repeating: 0, count: width)
      let pooled = pooledRows(kept.sequences, sequence)
      for row in pooled {
        for column in 0..<width { target[column] += kept.out[row * width + column] }
      }
      for column in 0..<width { target[column] /= Float(pooled.count) }
    }
  }

  /// From the gradient of the pooled vectors, `[sequences, width]`, to those of all weights.
  func backward(
    kept: Kept, dy: UnsafePointer<Float>, into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let rows = kept.sequences.rows
    let gradient = try execution.arena.allocate(Float.self, rows * width)
    gradient.update(repeating: 0, count: rows * width)
    for sequence in 0..<kept.sequences.count {
      let pooled = pooledRows(kept.sequences, sequence)
      for row in pooled {
        for column in 0..<width {
          gradient[row * width + column] = dy[sequence * width + column] / Float(pooled.count)
        }
      }
    }
    for (number, block) in blocks.enumerated().reversed() {
      try block.backward(
        kept.sequences, kept: kept.blocks[number], gradient: gradient, into: gradients, on: execution)
    }
    try embeddingNorm.backward(
      kept.embedded, rows: rows, dy: gradient, dx: gradient, into: gradients, on: execution)
    scatter(gradient, kept, into: gradients)
  }

  /// Adds the gradient of each row to its token's and its position's.
  private func scatter(_ gradient: UnsafePointer<Float>, _ kept: Kept, into gradients: Gradients) {
    guard case .float(let table) = tokens.storage else { return }
    let (tokenGradient, positionGradient) = (gradients.of(table), gradients.of(positions))
    if !gradients.accumulates {
      tokenGradient.update(repeating: 0, count: tokens.rows * width)
      positionGradient.update(repeating: 0, count: contextLength * width)
    }
    for sequence in 0..<kept.sequences.count {
      let start = kept.sequences.starts[sequence]
      for row in start..<kept.sequences.starts[sequence + 1] {
        let token = tokenGradient + Int(kept.ids[row]) * width
        let position = positionGradient + (row - start) * width
        for column in 0..<width {
          token[column] += gradient[row * width + column]
          position[column] += gradient[row * width + column]
        }
      }
    }
  }

  /// The rows of a sequence whose mean is its vector.
  private func pooledRows(_ sequences: Sequences, _ sequence: Int) -> Range<Int> {
    let start = sequences.starts[sequence]
    return start..<(pooling == .cls ? start + 1 : sequences.starts[sequence + 1])
  }
}
