import CKernels

/// Multi-head attention with the question as the one query over image tokens as key and value.
///
/// With one query, projecting every token is a waste. Per head, with `q` the head's slice of the query:
///
///     score_t = q . (W_K X_t + b_K) = (W_Kᵀ q) . X_t + const       softmax drops the constant
///     output  = sum_t a_t (W_V X_t + b_V) = W_V (sum_t a_t X_t) + b_V      since sum_t a_t = 1
///
/// so two matrix-vector products of the head's slices replace two products with every token, and each token
/// is read twice: some 28 times fewer multiplications for 50 tokens.
struct ExpertAttention {
  /// `W_K`, folded into the query.
  enum KeyFold {
    /// `[w, d_p]`, as trained.
    case float(UnsafePointer<Float>)
    /// Stored transposed head by head, see FORMAT.md: outputs `h d_p`, inputs `w / h`.
    case int8(Int8Weight)
  }

  let heads: Int
  /// `w`
  let width: Int
  /// `d_p`
  let patchWidth: Int
  let query: Linear
  let key: KeyFold
  let value: Linear
  /// `[K, d_p]`: added to every token of the k-th image.
  let imageIndex: UnsafePointer<Float>

  var headWidth: Int { width / heads }
  /// What the products of a query with tokens are multiplied by before the softmax.
  var scale: Float { 1 / Float(headWidth).squareRoot() }

  /// Reads `workspace.queries`, `[queries, w]`, and writes `workspace.values`, `[queries, w]`.
  func forward(_ input: HeadInput, _ workspace: HeadWorkspace, on execution: Execution) {
    let task = AttendTokens(kernels: execution.kernels, attention: self, input: input, workspace: workspace)
    execution.pool.run(task, count: input.count * heads)
  }
}

extension ExpertAttention {
  /// `out_t = vector . (X_t + I_k)` for all tokens of a query; returns their number.
  func products(
    of vector: UnsafePointer<Float>, with input: HeadInput, query: Int, into out: UnsafeMutablePointer<Float>,
    _ kernels: ck_kernels
  ) -> Int {
    var start = 0
    for (number, tokens) in input.images(of: query) {
      kernels.gemv(tokens.start, patchWidth, tokens.count, patchWidth, vector, nil, out + start)
      if let number {
        let shift = kernels.dot(vector, imageIndex + number * patchWidth, patchWidth)
        for token in start..<start + tokens.count { out[token] += shift }
      }
      start += tokens.count
    }
    return start
  }

  /// `out = sum_t weights_t (X_t + I_k)`, `[d_p]`.
  func sum(
    _ weights: UnsafePointer<Float>, of input: HeadInput, query: Int, into out: UnsafeMutablePointer<Float>,
    part: UnsafeMutablePointer<Float>, _ kernels: ck_kernels
  ) {
    out.update(repeating: 0, count: patchWidth)
    var start = 0
    for (number, tokens) in input.images(of: query) {
      kernels.gemv_transposed(tokens.start, patchWidth, tokens.count, patchWidth, weights + start, part)
      for column in 0..<patchWidth { out[column] += part[column] }
      if let number {
        var total: Float = 0
        for token in start..<start + tokens.count { total += weights[token] }
        let embedding = imageIndex + number * patchWidth
        for column in 0..<patchWidth { out[column] += total * embedding[column] }
      }
      start += tokens.count
    }
  }
}

/// Scratch of one thread in ``ExpertAttention``.
struct ExpertAttentionScratch {
  /// `[h d_p]`: a folded query, at its head's place.
  let folded: UnsafeMutablePointer<Float>
  /// One weight for each token of a query.
  let weights: UnsafeMutablePointer<Float>
  /// `[d_p]`: the weighted sum of the tokens.
  let sum: UnsafeMutablePointer<Float>
  /// `[d_p]`
  let part: UnsafeMutablePointer<Float>
  /// `[w]`
  let value: UnsafeMutablePointer<Float>
  let quantized: QuantizedRows

  init(attention: ExpertAttention, mostTokens: Int, on execution: Execution) throws(ARMSError) {
    let arena = execution.arena
    folded = try arena.allocate(Float.self, attention.heads * attention.patchWidth)
    weights = try arena.allocate(Float.self, mostTokens)
    sum = try arena.allocate(Float.self, attention.patchWidth)
    part = try arena.allocate(Float.self, attention.patchWidth)
    value = try arena.allocate(Float.self, attention.width)
    quantized = try QuantizedRows(
      rows: 1, columns: max(attention.patchWidth, attention.headWidth), on: execution)
  }
}

/// One head of one query a piece.
private struct AttendTokens: ParallelTask {
  let kernels: ck_kernels
  let attention: ExpertAttention
  let input: HeadInput
  let workspace: HeadWorkspace

  var multiplyAdds: Double {
    let each = 2 * Double(attention.patchWidth) * Double(attention.headWidth + input.mostTokens)
    return Double(input.count * attention.heads) * each
  }

  func run(_ index: Int, worker: Int) {
    let query = index / attention.heads
    let head = index % attention.heads
    let scratch = workspace.attentionScratch[worker]
    let offset = query * attention.width + head * attention.headWidth
    let folded = fold(workspace.queries + offset, head: head, scratch)
    weigh(folded, query: query, scratch)
    attention.sum(scratch.weights, of: input, query: query, into: scratch.sum, part: scratch.part, kernels)
    project(head: head, into: workspace.values + offset, scratch)
  }

  /// `u = W_Kᵀ q`, `[d_p]`.
  private func fold(
    _ query: UnsafePointer<Float>, head: Int, _ scratch: ExpertAttentionScratch
  ) -> UnsafePointer<Float> {
    let (patchWidth, headWidth) = (attention.patchWidth, attention.headWidth)
    switch attention.key {
    case .float(let weight):
      kernels.gemv_transposed(
        weight + head * headWidth * patchWidth, patchWidth, headWidth, patchWidth, query, scratch.folded)
      return UnsafePointer(scratch.folded)
    case .int8(let weight):
      multiply(
        weight, query, inputs: headWidth, channels: head * patchWidth..<(head + 1) * patchWidth,
        outputs: attention.heads * patchWidth, bias: nil, out: scratch.folded, scratch)
      return UnsafePointer(scratch.folded + head * patchWidth)
    }
  }

  /// `a = softmax(u . (X_t + I_k) / sqrt(w / h))` over all tokens of all images.
  private func weigh(_ folded: UnsafePointer<Float>, query: Int, _ scratch: ExpertAttentionScratch) {
    let count = attention.products(of: folded, with: input, query: query, into: scratch.weights, kernels)
    kernels.softmax(scratch.weights, count, attention.scale)
  }

  /// `W_V sum + b_V`, the head's slice.
  private func project(
    head: Int, into out: UnsafeMutablePointer<Float>, _ scratch: ExpertAttentionScratch
  ) {
    let (patchWidth, headWidth) = (attention.patchWidth, attention.headWidth)
    let channels = head * headWidth..<(head + 1) * headWidth
    switch attention.value.weight {
    case .float(let weight):
      kernels.gemv(
        weight + channels.lowerBound * patchWidth, patchWidth, headWidth, patchWidth, scratch.sum,
        attention.value.bias.map { $0 + channels.lowerBound }, out)
    case .int8(let weight):
      multiply(
        weight, scratch.sum, inputs: patchWidth, channels: channels, outputs: attention.width,
        bias: attention.value.bias, out: scratch.value, scratch)
      out.update(from: scratch.value + channels.lowerBound, count: headWidth)
    }
  }

  /// Some output channels of an int8 product with one row; whole blocks of `out` are written.
  private func multiply(
    _ weight: Int8Weight, _ x: UnsafePointer<Float>, inputs: Int, channels: Range<Int>, outputs: Int,
    bias: UnsafePointer<Float>?, out: UnsafeMutablePointer<Float>, _ scratch: ExpertAttentionScratch
  ) {
    let row = scratch.quantized.reshaped(columns: inputs)
    kernels.quantize_rows(x, inputs, 1, inputs, weight.smooth, row.values, row.stride, row.scale, row.zero)
    let arguments = ck_linear_u8s8(
      a: row.values, lda: row.stride, a_scale: row.scale, a_zero: row.zero, rows: 1, depth: weight.depth,
      w: weight.packed, w_scale: weight.scale, w_colsum: weight.columnSum, bias: bias,
      block_begin: channels.lowerBound / 16, block_end: (channels.upperBound + 15) / 16, columns: outputs,
      activation: CK_IDENTITY, residual: nil, ldr: 0, out: out, ldo: outputs, next: nil, scratch: nil)
    withUnsafePointer(to: arguments) { kernels.linear_u8s8($0) }
  }
}
