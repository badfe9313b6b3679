import CKernels
import Glibc

extension [TransformerBlock] {
  /// Runs all blocks over `x`, `[rows, width]`, as ``TransformerBlock/forward(_:keep:_:before:on:)`` does; `kept`
  /// is what is kept of the last.
  func forward(
    _ x: UnsafeMutablePointer<Float>, keep kept: KeptRows, _ workspace: BlockWorkspace,
    on execution: Execution
  ) -> UnsafeMutablePointer<Float> {
    var rows = x
    for (index, block) in enumerated() {
      let isLast = index + 1 == count
      rows = block.forward(
        x, keep: isLast ? kept : .all, workspace, before: isLast ? nil : self[index + 1].query, on: execution)
    }
    return rows
  }
}

extension TransformerBlock {
  /// Runs the block over `x`, `[rows, width]`.
  ///
  /// Returns the rows that are kept: `x` itself, changed in place, or `[sequences, width]` in the workspace.
  /// What nobody reads afterwards is not computed: with `.first` only keys and values are made for every row.
  /// `next` is the layer that runs after the block.
  func forward(
    _ x: UnsafeMutablePointer<Float>, keep kept: KeptRows, _ workspace: BlockWorkspace,
    before next: Linear? = nil, on execution: Execution
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
    let (residual, queries) =
      kept == .all ? (x, input) : gatherFirst(of: x, input, workspace)
    query.forward(queries, out: workspace.query, stride: width, before: key, on: execution)
    key.forward(input, out: workspace.key, stride: width, before: value, on: execution)
    value.forward(input, out: workspace.value, stride: width, before: output, on: execution)
    attend(keep: kept, workspace, on: execution)
    let attended = output.input(
      workspace.attended, stride: width, rows: queries.rows, room: workspace.quantized, on: execution)
    output.forward(
      attended, residual: residual, out: workspace.summed, stride: width, before: up, on: execution)
    return feedForward(into: residual, rows: queries.rows, workspace, before: next, on: execution)
  }

  /// `x = summed + FFN(LN2(summed))`, or `x = LN2(h + FFN(h))` with `h = LN1(summed)` behind the residuals.
  private func feedForward(
    into x: UnsafeMutablePointer<Float>, rows: Int, _ workspace: BlockWorkspace, before next: Linear?,
    on execution: Execution
  ) -> UnsafeMutablePointer<Float> {
    let norm = order == .preNorm ? norm2 : norm1
    let input = norm.forward(
      workspace.summed, rows: rows, out: workspace.normed, for: up, room: workspace.quantized, on: execution)
    up.forward(
      input, activation: activation, out: workspace.hidden, stride: up.outputs, before: down, on: execution)
    let hidden = down.input(
      workspace.hidden, stride: up.outputs, rows: rows, room: workspace.quantized, on: execution)
    switch order {
    case .preNorm:
      down.forward(hidden, residual: workspace.summed, out: x, stride: width, before: next, on: execution)
    case .postNorm:
      down.forward(hidden, residual: workspace.normed, out: x, stride: width, before: next, on: execution)
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
