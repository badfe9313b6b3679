extension ImageEncoder {
  /// What the backward pass through the trained layers reads.
  struct Kept {
    let layers: TrainedLayers
    let count: Int
    /// `[count G G, 3 P P]`; like the next, unused unless the embeddings are trained.
    let unfolded: UnsafeMutablePointer<Float>
    /// `[rows, d_p]`: class token and patches with their positions, before the norm.
    let embedded: UnsafeMutablePointer<Float>
    let blocks: TrainedBlocks

    var sequences: Sequences { blocks.sequences }
    /// `[rows, d_p]`: what the lowest trained block reads. The caller fills it unless the embeddings are trained.
    var input: UnsafeMutablePointer<Float> { blocks.input }

    init(
      _ encoder: ImageEncoder, _ layers: TrainedLayers, count: Int, in arena: ScratchArena
    ) throws(ARMSError) {
      self.layers = layers
      self.count = count
      let sequences = try encoder.equalSequences(count, in: arena)
      let (rows, hasEmbeddings) = (sequences.rows, layers.includesEmbeddings)
      let patches = hasEmbeddings ? count * encoder.grid * encoder.grid : 0
      unfolded = try arena.allocate(Float.self, patches * encoder.patches.inputs)
      embedded = try arena.allocate(Float.self, hasEmbeddings ? rows * encoder.patchWidth : 0)
      blocks = try TrainedBlocks(
        encoder.blocks[layers.firstBlock...], over: sequences, width: encoder.patchWidth, in: arena)
    }
  }

  /// What the frozen layers below `layers` make of a prepared image, `[3, imageSize, imageSize]`, to `out`,
  /// `[tokenCount, d_p]`.
  func encode(
    _ pixels: UnsafePointer<Float>, below layers: TrainedLayers, out: UnsafeMutablePointer<Float>,
    on execution: Execution
  ) throws(ARMSError) {
    let x = try embed(pixels, count: 1, on: execution)
    let sequences = try equalSequences(1, in: execution.arena)
    if layers.firstBlock > 0 {
      let workspace = try BlockWorkspace(sequences: sequences, block: blocks[0], on: execution)
      for block in blocks[..<layers.firstBlock] {
        _ = block.forward(x, keep: .all, workspace, on: execution)
      }
    }
    out.update(from: x, count: tokenCount * patchWidth)
  }

  /// The class token and the patches of prepared images, `[count, 3, imageSize, imageSize]`, to `kept.input`.
  private func embedKeeping(
    _ pixels: [UnsafePointer<Float>], _ kept: Kept, on execution: Execution
  ) {
    let patchCount = grid * grid
    for (image, pixels) in pixels.enumerated() {
      let columns = kept.unfolded + image * patchCount * patches.inputs
      unfold(pixels, into: columns)
      let start = kept.embedded + image * tokenCount * patchWidth
      for column in 0..<patchWidth { start[column] = classToken[column] + positions[column] }
      patches.forward(
        Rows(columns, stride: patches.inputs).input(count: patchCount), residual: positions + patchWidth,
        out: start + patchWidth, stride: patchWidth, on: execution)
    }
    preNorm.forward(kept.embedded, rows: kept.sequences.rows, out: kept.input, on: execution)
  }

  /// Encodes images to `pooled`, `[count, width]`, and `tokens`, `[count, tokenCount, patchWidth]`, and keeps what
  /// the backward pass reads.
  ///
  /// `pixels` are the prepared images, each `[3, imageSize, imageSize]`; read only if the embeddings are trained.
  func forward(
    _ pixels: [UnsafePointer<Float>], keeping kept: Kept, pooled: UnsafeMutablePointer<Float>,
    tokens: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    if kept.layers.includesEmbeddings { embedKeeping(pixels, kept, on: execution) }
    try kept.blocks.forward(on: execution)
    postNorm.forward(kept.blocks.out, rows: kept.sequences.rows, out: tokens, on: execution)
    projection.forward(
      Rows(tokens, stride: tokenCount * patchWidth).input(count: kept.count), out: pooled, stride: width,
      on: execution)
  }

  /// From the gradients of `pooled` and of `tokens`, whose values are given, to those of all trained weights.
  /// `tokenGradient` is overwritten.
  func backward(
    kept: Kept, tokens: UnsafeMutablePointer<Float>, pooledGradient: UnsafeMutablePointer<Float>,
    tokenGradient gradient: UnsafeMutablePointer<Float>, into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let (rows, classStride) = (kept.sequences.rows, tokenCount * patchWidth)
    let dy = Rows(pooledGradient, stride: width)
    try projection.trainedGradient(
      of: dy, input: Rows(tokens, stride: classStride).input(count: kept.count), into: gradients,
      on: execution)
    projection.inputGradient(
      of: dy, count: kept.count, accumulates: true, into: Rows(gradient, stride: classStride), on: execution)
    try postNorm.backward(
      kept.blocks.out, rows: rows, dy: gradient, dx: gradient, into: gradients, on: execution)
    try kept.blocks.backward(
      gradient: gradient, wantsInput: kept.layers.includesEmbeddings, into: gradients, on: execution)
    guard kept.layers.includesEmbeddings else { return }
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
