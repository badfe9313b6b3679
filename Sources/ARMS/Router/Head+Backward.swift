extension Head {
  /// What the backward pass reads.
  struct Kept {
    /// `[queries, d_t + d_v]`: `[q; g]`.
    let joined: UnsafeMutablePointer<Float>
    /// `[queries, N]`
    let gate: UnsafeMutablePointer<Float>
    /// `[N]`
    let experts: UnsafeMutablePointer<FusionExpert.Kept>
    let classifier: Classifier.Kept

    init(
      _ head: Head, _ input: HeadInput, candidates: CandidateWeights, in arena: ScratchArena
    ) throws(ARMSError) {
      joined = try arena.allocate(Float.self, input.count * head.gate.inputs)
      gate = try arena.allocate(Float.self, input.count * head.gate.experts)
      experts = try arena.allocate(FusionExpert.Kept.self, head.experts.count)
      for (number, expert) in head.experts.enumerated() {
        (experts + number).initialize(to: try FusionExpert.Kept(expert, input, in: arena))
      }
      classifier = try Classifier.Kept(
        head.classifier, queries: input.count, candidates: candidates, in: arena)
    }
  }

  /// Writes the logits `t_ij`, `kept.classifier.logits`, and keeps what the backward pass reads.
  ///
  /// Every expert is computed for every query, also those that top-k leaves out: their gradients are 0.
  func forward(
    _ input: HeadInput, candidates: CandidateWeights, keeping kept: Kept, on execution: Execution
  ) throws(ARMSError) {
    join(input, input.image, width: imageWidth, into: kept.joined)
    for query in 0..<input.count {
      gate.forward(
        kept.joined + query * gate.inputs, out: kept.gate + query * gate.experts, execution.kernels)
    }
    for (number, expert) in experts.enumerated() {
      try expert.forward(input, keeping: kept.experts[number], on: execution)
    }
    let width = questionWidth + expertWidth
    for query in 0..<input.count {
      let target = kept.classifier.joined + query * width
      target.update(from: input.question + query * questionWidth, count: questionWidth)
      let mixture = target + questionWidth
      mixture.update(repeating: 0, count: expertWidth)
      for number in 0..<experts.count {
        let probability = kept.gate[query * experts.count + number]
        let output = kept.experts[number].out + query * expertWidth
        for column in 0..<expertWidth { mixture[column] += probability * output[column] }
      }
    }
    classifier.forward(candidates, keeping: kept.classifier, on: execution)
  }

  /// From the gradient of the logits, `[queries, candidates]`, which is overwritten, to those of all weights of
  /// the head and the candidates.
  ///
  /// The gradients of what the head reads are written to those places of `wanted` that there are. A query without
  /// an image needs that of its pooled image in any case: it is the learned one.
  func backward(
    _ input: HeadInput, candidates: CandidateWeights, kept: Kept, dy: UnsafeMutablePointer<Float>,
    wanted: HeadInputGradients = HeadInputGradients(), into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let arena = execution.arena
    clearShared(gradients)
    let width = questionWidth + expertWidth
    let joined = try arena.allocate(Float.self, input.count * width)
    try classifier.backward(
      candidates, kept: kept.classifier, dy: dy, joinedGradient: joined, into: gradients, on: execution)
    var wanted = wanted
    if wanted.image == nil, input.hasQueryWithoutImage {
      wanted.image = try arena.allocate(Float.self, input.count * imageWidth)
    }
    begin(wanted, input, joined: joined)
    let gateGradient = try arena.allocate(Float.self, input.count * experts.count)
    let expertGradient = try arena.allocate(Float.self, input.count * expertWidth)
    for (number, expert) in experts.enumerated() {
      for query in 0..<input.count {
        let mixture = joined + query * width + questionWidth
        let index = query * experts.count + number
        gateGradient[index] = execution.kernels.dot(
          mixture, kept.experts[number].out + query * expertWidth, expertWidth)
        let target = expertGradient + query * expertWidth
        for column in 0..<expertWidth { target[column] = kept.gate[index] * mixture[column] }
      }
      try expert.backward(
        input, kept: kept.experts[number], dy: expertGradient, wanted: wanted, into: gradients, on: execution)
    }
    gate.backward(
      Rows(kept.joined, stride: gate.inputs).input(count: input.count), p: kept.gate, dp: gateGradient,
      imageWidth: imageWidth, wanted: wanted, into: gradients, on: execution)
    if let imageGradient = wanted.image { addLearnedImage(imageGradient, input, into: gradients) }
  }

  /// Sets what the parts add to: the question's part of `[q; e]`, and zeros.
  private func begin(_ wanted: HeadInputGradients, _ input: HeadInput, joined: UnsafePointer<Float>) {
    wanted.image?.update(repeating: 0, count: input.count * imageWidth)
    if case .patches(let attention, _)? = experts.first?.image {
      wanted.tokens?.update(
        repeating: 0, count: input.imageStarts[input.count] * input.tokensPerImage * attention.patchWidth)
    }
    guard let question = wanted.question else { return }
    for query in 0..<input.count {
      (question + query * questionWidth).update(
        from: joined + query * (questionWidth + expertWidth), count: questionWidth)
    }
  }

  /// Sets the gradients that several parts add to, to 0.
  private func clearShared(_ gradients: Gradients) {
    guard !gradients.accumulates else { return }
    gradients.of(noImage).update(repeating: 0, count: imageWidth)
    guard let noImageTokens, case .patches(let attention, _)? = experts.first?.image else { return }
    gradients.of(noImageTokens).update(repeating: 0, count: attention.patchWidth)
    gradients.of(attention.imageIndex).update(repeating: 0, count: maxImages * attention.patchWidth)
  }

  private func addLearnedImage(
    _ imageGradient: UnsafePointer<Float>, _ input: HeadInput, into gradients: Gradients
  ) {
    let target = gradients.of(noImage)
    for query in 0..<input.count where !input.hasImage(query) {
      for column in 0..<imageWidth { target[column] += imageGradient[query * imageWidth + column] }
    }
  }
}
