import CKernels

extension FusionExpert {
  /// What the backward pass reads.
  struct Kept {
    /// `[queries, d_t + w]`: `[q; attention]`, and normalised.
    let joined: UnsafeMutablePointer<Float>
    let normed: UnsafeMutablePointer<Float>
    /// `[queries, w]`: what the attention's output layer reads; unused in `concat`.
    let values: UnsafeMutablePointer<Float>
    let attention: ExpertAttention.Kept?
    let feedForward: FeedForward.Kept
    /// `[queries, d_e]`
    let out: UnsafeMutablePointer<Float>

    init(_ expert: FusionExpert, _ input: HeadInput, in arena: ScratchArena) throws(ARMSError) {
      joined = try arena.allocate(Float.self, input.count * expert.norm.width)
      normed = try arena.allocate(Float.self, input.count * expert.norm.width)
      values = try arena.allocate(Float.self, input.count * expert.imageWidth)
      if case .patches(let attention, _) = expert.image {
        self.attention = try ExpertAttention.Kept(attention, input, in: arena)
      } else {
        attention = nil
      }
      feedForward = try FeedForward.Kept(rows: input.count, width: expert.up.outputs, in: arena)
      out = try arena.allocate(Float.self, input.count * expert.down.outputs)
    }

    /// What the attention of an expert that has one keeps.
    fileprivate func ofAttention() throws(ARMSError) -> ExpertAttention.Kept {
      guard let attention else {
        throw ARMSError(.internal, "the backward pass of an attention was given another expert's activations")
      }
      return attention
    }
  }

  private var feedForward: FeedForward { FeedForward(up: up, down: down, activation: CK_GELU) }

  /// Writes `kept.out`, `e`.
  func forward(_ input: HeadInput, keeping kept: Kept, on execution: Execution) throws(ARMSError) {
    let (width, rows) = (norm.width, input.count)
    let attended = Rows(kept.joined + questionWidth, stride: width)
    for row in 0..<rows {
      (kept.joined + row * width).update(from: input.question + row * questionWidth, count: questionWidth)
    }
    func apply(_ layer: Linear, _ x: UnsafePointer<Float>, into out: Rows) {
      layer.forward(layer.floatInput(x, rows: rows), out: out.start, stride: out.stride, on: execution)
    }
    switch image {
    case .concat(let projection):
      apply(projection, input.image, into: attended)
    case .pooled(let value, let output):
      apply(value, input.image, into: Rows(kept.values, stride: imageWidth))
      apply(output, kept.values, into: attended)
    case .patches(let attention, let output):
      let keptAttention = try kept.ofAttention()
      try attention.forward(input, keeping: keptAttention, out: kept.values, on: execution)
      apply(output, kept.values, into: attended)
    }
    norm.forward(kept.joined, rows: rows, out: kept.normed, on: execution)
    feedForward.forward(
      Rows(kept.normed, stride: width).input(count: rows), keeping: kept.feedForward, out: kept.out,
      on: execution)
  }

  /// From the gradient of `e`, `[queries, d_e]`, to those of all weights. Those of what the expert reads are
  /// added to the places of `wanted`.
  func backward(
    _ input: HeadInput, kept: Kept, dy: UnsafeMutablePointer<Float>, wanted: HeadInputGradients,
    into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let (arena, rows, width) = (execution.arena, input.count, norm.width)
    let joined = try arena.allocate(Float.self, rows * width)
    try feedForward.backward(
      Rows(kept.normed, stride: width).input(count: rows), kept: kept.feedForward,
      dy: Rows(dy, stride: down.outputs), dx: joined,
      hiddenGradient: try arena.allocate(Float.self, rows * up.outputs), into: gradients, on: execution)
    try norm.backward(kept.joined, rows: rows, dy: joined, dx: joined, into: gradients, on: execution)
    if let question = wanted.question {
      for row in 0..<rows {
        let (from, to) = (joined + row * width, question + row * questionWidth)
        for column in 0..<questionWidth { to[column] += from[column] }
      }
    }
    let attended = Rows(joined + questionWidth, stride: width)
    let values = Rows(kept.values, stride: imageWidth)
    switch image {
    case .concat(let projection):
      project(projection, input, attended, wanted.image, into: gradients, on: execution)
    case .pooled(let value, let output):
      let valueGradient = Rows(try arena.allocate(Float.self, rows * imageWidth), stride: imageWidth)
      output.weightGradient(of: attended, input: values.input(count: rows), into: gradients, on: execution)
      output.inputGradient(of: attended, count: rows, into: valueGradient, on: execution)
      project(value, input, valueGradient, wanted.image, into: gradients, on: execution)
    case .patches(let attention, let output):
      let keptAttention = try kept.ofAttention()
      let valueGradient = Rows(try arena.allocate(Float.self, rows * imageWidth), stride: imageWidth)
      output.weightGradient(of: attended, input: values.input(count: rows), into: gradients, on: execution)
      output.inputGradient(of: attended, count: rows, into: valueGradient, on: execution)
      try attention.backward(
        input, kept: keptAttention, dy: valueGradient.start, wanted: wanted, into: gradients, on: execution)
    }
  }

  /// The backward pass of a layer that reads the pooled image.
  private func project(
    _ layer: Linear, _ input: HeadInput, _ dy: Rows, _ imageGradient: UnsafeMutablePointer<Float>?,
    into gradients: Gradients, on execution: Execution
  ) {
    layer.weightGradient(
      of: dy, input: layer.floatInput(input.image, rows: input.count), into: gradients, on: execution)
    guard let imageGradient else { return }
    layer.inputGradient(
      of: dy, count: input.count, accumulates: true, into: Rows(imageGradient, stride: layer.inputs),
      on: execution)
  }
}
