import CKernels

/// Training runs the attention folded, as inference does, but for a batch: the products with a head's slice of
/// `W_K` and `W_V` are matrix products over all queries, and only the tokens are visited query by query.
///
///     U_j = Q_j W_K[j]      a = softmax(scale U_j X'ᵀ)      C_j = a X'      V_j = C_j W_V[j]ᵀ + b_V[j]
///
/// with `X' = X + I`, which is never formed. Backward, with `D = dC_j X'ᵀ`:
///
///     dS = scale a (D - sum a D)      dU_j = dS X'      dQ_j = dU_j W_K[j]ᵀ      dW_K[j] = Q_jᵀ dU_j
///     dX'_t = sum over j of a_t dC_j + dS_t U_j
extension ExpertAttention {
  /// What the backward pass reads.
  struct Kept {
    /// `[queries, w]`
    let query: UnsafeMutablePointer<Float>
    /// `[queries, h, d_p]`: U and C.
    let folded: UnsafeMutablePointer<Float>
    let sum: UnsafeMutablePointer<Float>
    /// `[queries, h, mostTokens]`
    let weights: UnsafeMutablePointer<Float>
    let mostTokens: Int
    /// `W_K` and `W_V`, `[w, d_p]`, which are trained as floats.
    fileprivate let keyWeight: UnsafePointer<Float>
    fileprivate let valueWeight: UnsafePointer<Float>

    init(_ attention: ExpertAttention, _ input: HeadInput, in arena: ScratchArena) throws(ARMSError) {
      guard case .float(let keyWeight) = attention.key, case .float(let valueWeight) = attention.value.weight
      else { throw ARMSError(.internal, "an attention of int8 weights cannot be trained") }
      (self.keyWeight, self.valueWeight) = (keyWeight, valueWeight)
      let heads = input.count * attention.heads
      mostTokens = input.mostTokens
      query = try arena.allocate(Float.self, input.count * attention.width)
      folded = try arena.allocate(Float.self, heads * attention.patchWidth)
      sum = try arena.allocate(Float.self, heads * attention.patchWidth)
      weights = try arena.allocate(Float.self, heads * mostTokens)
    }
  }

  /// Writes `out`, `[queries, w]`.
  func forward(
    _ input: HeadInput, keeping kept: Kept, out: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    query.forward(
      query.floatInput(input.question, rows: input.count), out: kept.query, stride: width, on: execution)
    for head in 0..<heads {
      keySlice(head, kept).inputGradient(
        of: slice(kept.query, head), count: input.count, into: tokenSlice(kept.folded, head), on: execution)
    }
    let part = try execution.arena.allocate(Float.self, execution.pool.threads * patchWidth)
    execution.pool.run(
      AttendTokensKeeping(kernels: execution.kernels, attention: self, input: input, kept: kept, part: part),
      count: input.count * heads)
    for head in 0..<heads {
      valueSlice(head, kept).forward(
        tokenSlice(kept.sum, head).input(count: input.count), out: out + head * headWidth, stride: width,
        on: execution)
    }
  }

  /// From the gradient of the output, `dy`, `[queries, w]`, to those of all weights. The gradients of the
  /// image-index embedding, of the learned token and of the places of `wanted` are added to: all experts share
  /// them.
  func backward(
    _ input: HeadInput, kept: Kept, dy: UnsafeMutablePointer<Float>, wanted: HeadInputGradients,
    into gradients: Gradients, on execution: Execution
  ) throws(ARMSError) {
    let arena = execution.arena
    let heads = input.count * heads
    let mostImages = max(1, kept.mostTokens / max(1, input.tokensPerImage))
    let work = AttendTokensBackward(
      kernels: execution.kernels, attention: self, input: input, kept: kept,
      sumGradient: try arena.allocate(Float.self, heads * patchWidth),
      foldedGradient: try arena.allocate(Float.self, heads * patchWidth),
      scores: try arena.allocate(Float.self, heads * kept.mostTokens),
      part: try arena.allocate(Float.self, execution.pool.threads * patchWidth),
      weightSums: try arena.allocate(Float.self, (mostImages + 1) * heads),
      scoreSums: try arena.allocate(Float.self, (mostImages + 1) * heads), places: mostImages + 1)
    for head in 0..<self.heads {
      let (slice, gradient) = (valueSlice(head, kept), slice(dy, head))
      slice.weightGradient(
        of: gradient, input: tokenSlice(kept.sum, head).input(count: input.count), into: gradients,
        on: execution)
      slice.inputGradient(
        of: gradient, count: input.count, into: tokenSlice(work.sumGradient, head), on: execution)
    }
    work.weightSums.update(repeating: 0, count: work.places * heads)
    work.scoreSums.update(repeating: 0, count: work.places * heads)
    execution.pool.run(work, count: heads)
    try work.tokenGradients(into: gradients, in: arena)
    if let tokens = wanted.tokens {
      execution.pool.run(TokenGradients(work: work, out: tokens), count: input.count)
    }
    let queryGradient = try arena.allocate(Float.self, input.count * width)
    for head in 0..<self.heads {
      let (slice, folded) = (
        keySlice(head, kept), tokenSlice(work.foldedGradient, head).input(count: input.count)
      )
      slice.weightGradient(of: self.slice(kept.query, head), input: folded, into: gradients, on: execution)
      slice.forward(folded, out: queryGradient + head * headWidth, stride: width, on: execution)
    }
    query.weightGradient(
      of: Rows(queryGradient, stride: width), input: query.floatInput(input.question, rows: input.count),
      into: gradients, on: execution)
    guard let question = wanted.question else { return }
    query.inputGradient(
      of: Rows(queryGradient, stride: width), count: input.count, accumulates: true,
      into: Rows(question, stride: query.inputs), on: execution)
  }

  /// `W_K[j]` as a layer from tokens to the head's width.
  private func keySlice(_ head: Int, _ kept: Kept) -> Linear {
    Linear(
      inputs: patchWidth, outputs: headWidth,
      weight: .float(kept.keyWeight + head * headWidth * patchWidth), bias: nil)
  }

  /// `W_V[j]` and `b_V[j]`.
  private func valueSlice(_ head: Int, _ kept: Kept) -> Linear {
    Linear(
      inputs: patchWidth, outputs: headWidth,
      weight: .float(kept.valueWeight + head * headWidth * patchWidth),
      bias: value.bias.map { $0 + head * headWidth })
  }

  private func slice(_ rows: UnsafeMutablePointer<Float>, _ head: Int) -> Rows {
    Rows(rows + head * headWidth, stride: width)
  }

  private func tokenSlice(_ rows: UnsafeMutablePointer<Float>, _ head: Int) -> Rows {
    Rows(rows + head * patchWidth, stride: heads * patchWidth)
  }
}

/// One head of one query a piece: from U to the weights and C.
private struct AttendTokensKeeping: ParallelTask {
  let kernels: ck_kernels
  let attention: ExpertAttention
  let input: HeadInput
  let kept: ExpertAttention.Kept
  /// `[threads, d_p]`
  let part: UnsafeMutablePointer<Float>

  func run(_ index: Int, worker: Int) {
    let width = attention.patchWidth
    let weights = kept.weights + index * kept.mostTokens
    let count = attention.products(
      of: kept.folded + index * width, with: input, query: index / attention.heads, into: weights, kernels)
    kernels.softmax(weights, count, attention.scale)
    attention.sum(
      weights, of: input, query: index / attention.heads, into: kept.sum + index * width,
      part: part + worker * width, kernels)
  }
}

/// One head of one query a piece: from dC to dU and what the token gradients need.
private struct AttendTokensBackward: ParallelTask {
  let kernels: ck_kernels
  let attention: ExpertAttention
  let input: HeadInput
  let kept: ExpertAttention.Kept
  /// `[queries, h, d_p]`: dC and dU.
  let sumGradient: UnsafeMutablePointer<Float>
  let foldedGradient: UnsafeMutablePointer<Float>
  /// `[queries, h, mostTokens]`: dS.
  let scores: UnsafeMutablePointer<Float>
  /// `[threads, d_p]`
  let part: UnsafeMutablePointer<Float>
  /// `[places, queries h]`: the sums of `a` and of `dS` over the tokens of image k, and in the last place
  /// those of the learned token.
  let weightSums: UnsafeMutablePointer<Float>
  let scoreSums: UnsafeMutablePointer<Float>
  let places: Int

  func run(_ index: Int, worker: Int) {
    let width = attention.patchWidth
    let query = index / attention.heads
    let weights = kept.weights + index * kept.mostTokens
    let scores = scores + index * kept.mostTokens
    let count = attention.products(
      of: sumGradient + index * width, with: input, query: query, into: scores, kernels)
    let mean = kernels.dot(weights, scores, count)
    let scale = attention.scale
    for token in 0..<count { scores[token] = scale * weights[token] * (scores[token] - mean) }
    attention.sum(
      scores, of: input, query: query, into: foldedGradient + index * width, part: part + worker * width,
      kernels)
    var start = 0
    for (number, tokens) in input.images(of: query) {
      let place = (number ?? places - 1) * input.count * attention.heads + index
      for token in start..<start + tokens.count {
        weightSums[place] += weights[token]
        scoreSums[place] += scores[token]
      }
      start += tokens.count
    }
  }

  /// Adds the gradients of the image-index embedding and of the learned token: the sums of `dX'` over the tokens
  /// that they are part of.
  func tokenGradients(into gradients: Gradients, in arena: ScratchArena) throws(ARMSError) {
    let (width, rows) = (attention.patchWidth, input.count * attention.heads)
    let total = try arena.allocate(Float.self, width)
    for place in 0..<places {
      let isLearned = place == places - 1
      let parameter = isLearned ? input.noImageTokens : attention.imageIndex + place * width
      guard let parameter else { continue }
      let target = gradients.of(parameter)
      for (sums, vectors) in [(weightSums, sumGradient), (scoreSums, kept.folded)] {
        kernels.gemv_transposed(vectors, width, rows, width, sums + place * rows, total)
        for column in 0..<width { target[column] += total[column] }
      }
    }
  }
}

/// One query a piece: adds `dX_t = sum over heads of a_t dC + dS_t U` to the gradients of its tokens.
private struct TokenGradients: ParallelTask {
  let work: AttendTokensBackward
  /// `[images, tokensPerImage, d_p]`
  let out: UnsafeMutablePointer<Float>

  func run(_ query: Int, worker: Int) {
    guard work.input.hasImage(query) else { return }
    let starts = work.input.imageStarts
    let (kept, width, heads) = (work.kept, work.attention.patchWidth, work.attention.heads)
    let first = starts[query] * work.input.tokensPerImage
    for token in 0..<(starts[query + 1] - starts[query]) * work.input.tokensPerImage {
      let target = out + (first + token) * width
      for index in query * heads..<(query + 1) * heads {
        let place = index * kept.mostTokens + token
        let (weight, score) = (kept.weights[place], work.scores[place])
        let (sum, folded) = (work.sumGradient + index * width, kept.folded + index * width)
        for column in 0..<width { target[column] += weight * sum[column] + score * folded[column] }
      }
    }
  }
}
