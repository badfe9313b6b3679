extension ImageEncoder {
  /// What the backward pass reads.
  struct Kept {
    let count: Int
    let sequences: Sequences
    /// `[count G G, 3 P P]`
    let unfolded: UnsafeMutablePointer<Float>
    /// `[rows, d_p]`: class token and patches with their positions, before the norm.
    let embedded: UnsafeMutablePointer<Float>
    let blocks: UnsafeMutablePointer<TransformerBlock.Kept>
    /// `[rows, d_p]`: of the last block.
    let out: UnsafeMutablePointer<Float>

    init(_ encoder: ImageEncoder, count: Int, in arena: ScratchArena) throws(ARMSError) {
      self.count = count
      sequences = try encoder.equalSequences(count, in: arena)
      let patches = count * encoder.grid * encoder.grid
      unfolded = try arena.allocate(Float.self, patches * encoder.patches.inputs)
      embedded = try arena.allocate(Float.self, sequences.rows * encoder.patchWidth)
      blocks = try arena.allocate(TransformerBlock.Kept.self, encoder.blocks.count)
      for (number, block) in encoder.blocks.enumerated() {
        (blocks + number).initialize(
          to: try TransformerBlock.Kept(rows: sequences.rows, block: block, in: arena))
      }
      out = try arena.allocate(Float.self, sequences.rows * encoder.patchWidth)
    }
  }

  /// Encodes prepared images, `[count, 3, imageSize, imageSize]`, to `pooled`, `[count, width]`, and `tokens`,
  /// `[count, tokenCount, patchWidth]`, and keeps what the backward pass reads.
  func forward(
    _ pixels: UnsafePointer<Float>, keeping kept: Kept, pooled: UnsafeMutablePointer<Float>,
    tokens: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    let patchCount = grid * grid
    for image in 0..<kept.count {
      let columns = kept.unfolded + image * patchCount * patches.inputs
      unfold(pixels + image * pixelCount, into: columns)
      let start = kept.embedded + image * tokenCount * patchWidth
      for column in 0..<patchWidth { start[column] = classToken[column] + positions[column] }
      patches.forward(
        Rows(columns, stride: patches.inputs).input(count: patchCount), residual: positions + patchWidth,
        out: start + patchWidth, stride: patchWidth, on: execution)
    }
    let rows = kept.sequences.rows
    preNorm.forward(kept.embedded, rows: rows, out: kept.blocks[0].input, on: execution)
    for (number, block) in blocks.enumerated() {
      let next = number + 1 < blocks.count ? kept.blocks[number + 1].input : kept.out
      try block.forward(kept.sequences, keeping: kept.blocks[number], out: next, on: execution)
    }
    postNorm.forward(kept.out, rows: rows, out: tokens, on: execution)
    projection.forward(
      Rows(tokens, stride: tokenCount * patchWidth).input(count: kept.count), out: pooled, stride: width,
      on: execution)
  }

  /// From the gradients of `pooled` and of `tokens`, whose values are given, to those of all weights.
  /// `tokenGradient` is overwritten.
  func backward(
    kept: Kept, tokens: UnsafeMutablePointer<Float>, pooledGradient: UnsafeMutablePointer<Float>,
    tokenGradient gradient: UnsafeMutablePointer<Float>, into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let (rows, classStride) = (kept.sequences.rows, tokenCount * patchWidth)
    let dy = Rows(pooledGradient, stride: width)
    projection.weightGradient(
      of: dy, input: Rows(tokens, stride: classStride).input(count: kept.count), into: gradients,
      on: execution)
    projection.inputGradient(
      of: dy, count: kept.count, accumulates: true, into: Rows(gradient, stride: classStride), on: execution)
    try postNorm.backward(kept.out, rows: rows, dy: gradient, dx: gradient, into: gradients, on: execution)
    for (number, block) in blocks.enumerated().reversed() {
      try block.backward(
        kept.sequences, kept: kept.blocks[number], gradient: gradient, into: gradients, on: execution)
    }
    try preNorm.backward(
      kept.embedded, rows: rows, dy: gradient, dx: gradient, into: gradients, on: execution)
    embeddingGradient(kept, gradient, into: gradients, on: execution)
  }

  /// From the gradient of the embedded rows to those of class token, positions and patches.
  private func embeddingGradient(
    _ kept: Kept, _ gradient: UnsafeMutablePointer<Float>, into gradients: Gradients, on execution: Execution
  ) {
    let (classGradient, positionGradient) = (gradients.of(classToken), gradients.of(positions))
    if !gradients.accumulates {
      classGradient.update(repeating: 0, count: patchWidth)
      positionGradient.update(repeating: 0, count: tokenCount * patchWidth)
    }
    let patchCount = grid * grid
    var accumulates = gradients.accumulates
    for image in 0..<kept.count {
      let start = gradient + image * tokenCount * patchWidth
      for column in 0..<patchWidth { classGradient[column] += start[column] }
      execution.add(start, to: positionGradient, count: tokenCount * patchWidth)
      patches.weightGradient(
        of: Rows(start + patchWidth, stride: patchWidth),
        input: Rows(kept.unfolded + image * patchCount * patches.inputs, stride: patches.inputs)
          .input(count: patchCount), into: gradients.accumulating(accumulates), on: execution)
      accumulates = true
    }
  }
}
