extension TextEncoder {
  /// What the backward pass through the trained layers reads.
  struct Kept {
    let layers: TrainedLayers
    /// Read if the embeddings are trained.
    let ids: UnsafePointer<Int32>
    /// `[rows, width]`: tokens with their positions, before the norm; unused unless the embeddings are trained.
    let embedded: UnsafeMutablePointer<Float>
    let blocks: TrainedBlocks

    var sequences: Sequences { blocks.sequences }
    /// `[rows, width]`: what the lowest trained block reads. The caller fills it unless the embeddings are trained.
    var input: UnsafeMutablePointer<Float> { blocks.input }

    init(
      _ encoder: TextEncoder, _ layers: TrainedLayers, _ ids: UnsafePointer<Int32>, _ sequences: Sequences,
      in arena: ScratchArena
    ) throws(ARMSError) {
      self.layers = layers
      self.ids = ids
      embedded = try arena.allocate(
        Float.self, layers.includesEmbeddings ? sequences.rows * encoder.width : 0)
      blocks = try TrainedBlocks(
        encoder.blocks[layers.firstBlock...], over: sequences, width: encoder.width, in: arena)
    }
  }

  /// What the frozen layers below `layers` make of sequences, to `out`, `[rows, width]`.
  func encode(
    _ ids: UnsafePointer<Int32>, _ sequences: Sequences, below layers: TrainedLayers,
    out: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    embed(ids, sequences, into: out)
    embeddingNorm.forward(out, rows: sequences.rows, out: out, on: execution)
    guard layers.firstBlock > 0 else { return }
    let workspace = try BlockWorkspace(sequences: sequences, block: blocks[0], on: execution)
    for block in blocks[..<layers.firstBlock] {
      _ = block.forward(out, keep: .all, workspace, on: execution)
    }
  }

  /// Encodes the sequences to `out`, `[sequences, width]`, and keeps what the backward pass reads.
  ///
  /// Every id is in the vocabulary and no sequence is longer than the context, or empty: the callers check.
  func forward(keeping kept: Kept, out: UnsafeMutablePointer<Float>, on execution: Execution)
    throws(ARMSError)
  {
    if kept.layers.includesEmbeddings {
      embed(kept.ids, kept.sequences, into: kept.embedded)
      embeddingNorm.forward(kept.embedded, rows: kept.sequences.rows, out: kept.input, on: execution)
    }
    try kept.blocks.forward(on: execution)
    for sequence in 0..<kept.sequences.count {
      mean(of: kept.blocks.out, pooledRows(kept.sequences, sequence), into: out + sequence * width)
    }
  }

  /// From the gradient of the pooled vectors, `[sequences, width]`, to those of all trained weights.
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
    try kept.blocks.backward(
      gradient: gradient, wantsInput: kept.layers.includesEmbeddings, into: gradients, on: execution)
    guard kept.layers.includesEmbeddings else { return }
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
}
