import CKernels
import Glibc

extension TransformerBlock {
  /// Runs the block over `x`, `[rows, width]`.
  ///
  /// Returns the rows that are kept: `x` itself, changed in place, or `[sequences, width]` in the workspace.
  /// What nobody reads afterwards is not computed: with `.first` only keys and values are made for every row.
  func forward(
    _ x: UnsafeMutablePointer<Float>, keep kept: KeptRows, _ workspace: BlockWorkspace,
    on execution: Execution
  ) -> UnsafeMutablePointer<Float> {
    let rows = workspace.sequences.rows
    let input =
      switch order {
      case .preNorm:
        norm1.forward(
          x, rows: rows, out: workspace.normed, for: query, room: workspace.quantized, on: execution)
      case .postNorm:
        query.input(x, stride: width, rows: rows, room: workspace.quantized, on: execution)
      }
    key.forward(input, out: workspace.key, stride: width, on: execution)
    value.forward(input, out: workspace.value, stride: width, on: execution)
    let (residual, queries) =
      kept == .all ? (x, input) : gatherFirst(of: x, input, workspace)
    query.forward(queries, out: workspace.query, stride: width, on: execution)
    attend(keep: kept, workspace, on: execution)
    let attended = output.input(
      workspace.attended, stride: width, rows: queries.rows, room: workspace.quantized, on: execution)
    output.forward(attended, residual: residual, out: workspace.summed, stride: width, on: execution)
    return feedForward(into: residual, rows: queries.rows, workspace, on: execution)
  }

  /// `x = summed + FFN(LN2(summed))`, or `x = LN2(h + FFN(h))` with `h = LN1(summed)` behind the residuals.
  private func feedForward(
    into x: UnsafeMutablePointer<Float>, rows: Int, _ workspace: BlockWorkspace, on execution: Execution
  ) -> UnsafeMutablePointer<Float> {
    let norm = order == .preNorm ? norm2 : norm1
    let input = norm.forward(
      workspace.summed, rows: rows, out: workspace.normed, for: up, room: workspace.quantized, on: execution)
    up.forward(
      input, activation: activation, out: workspace.hidden, stride: up.outputs, on: execution)
    let hidden = down.input(
      workspace.hidden, stride: up.outputs, rows: rows, room: workspace.quantized, on: execution)
    switch order {
    case .preNorm:
      down.forward(hidden, residual: workspace.summed, out: x, stride: width, on: execution)
    case .postNorm:
      down.forward(hidden, residual: workspace.normed, out: x, stride: width, on: execution)
      norm2.forward(x, rows: rows, out: x, on: execution)
    }
    return x
  }

  private func attend(keep kept: KeptRows, _ workspace: BlockWorkspace, on execution: Execution) {
    let attention = MultiHeadAttention(
      kernels: execution.kernels, sequences: workspace.sequences, heads: heads, width: width,
      query: workspace.query, kept: kept, key: workspace.key, value: workspace.value,
      out: workspace.attended, scratch: workspace.scratch, scratchStride: workspace.scratchStride)
    execution.pool.run(attention, count: attention.count)
  }

  /// The first row of each sequence, of `x` and of the input that was made of it.
  private func gatherFirst(
    of x: UnsafePointer<Float>, _ input: LinearInput, _ workspace: BlockWorkspace
  ) -> (UnsafeMutablePointer<Float>, LinearInput) {
    let sequences = workspace.sequences
    let stride = input.quantized?.stride ?? 0
    let target = workspace.firstQuantized.reshaped(columns: width)
    for sequence in 0..<sequences.count {
      let row = sequences.starts[sequence]
      memcpy(workspace.first + sequence * width, x + row * width, width * MemoryLayout<Float>.stride)
      memcpy(
        workspace.firstNormed + sequence * width, input.float + row * input.stride,
        width * MemoryLayout<Float>.stride)
      if let quantized = input.quantized {
        memcpy(target.values + sequence * stride, quantized.values + row * stride, stride)
        target.scale[sequence] = quantized.scale[row]
        target.zero[sequence] = quantized.zero[row]
      }
    }
    return (
      workspace.first,
      LinearInput(
        rows: sequences.count, float: workspace.firstNormed, stride: width,
        quantized: input.quantized == nil ? nil : target)
    )
  }
}
