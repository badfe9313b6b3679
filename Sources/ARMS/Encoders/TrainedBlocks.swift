/// The blocks of an encoder that are trained, and what their backward pass reads.
struct TrainedBlocks {
  let sequences: Sequences
  /// `[rows, width]`: of the last block.
  let out: UnsafeMutablePointer<Float>
  private let blocks: ArraySlice<TransformerBlock>
  private let kept: UnsafeMutablePointer<TransformerBlock.Kept>

  /// `[rows, width]`: what the lowest block reads.
  var input: UnsafeMutablePointer<Float> { kept[0].input }

  /// Room for `blocks`, of which there is at least one, over `sequences`, in `arena`.
  init(
    _ blocks: ArraySlice<TransformerBlock>, over sequences: Sequences, width: Int, in arena: ScratchArena
  ) throws(ARMSError) {
    self.blocks = blocks
    self.sequences = sequences
    kept = try arena.allocate(TransformerBlock.Kept.self, blocks.count)
    for (number, block) in blocks.enumerated() {
      (kept + number).initialize(to: try TransformerBlock.Kept(rows: sequences.rows, block: block, in: arena))
    }
    out = try arena.allocate(Float.self, sequences.rows * width)
  }

  /// From `input` to `out`.
  func forward(on execution: Execution) throws(ARMSError) {
    for (number, block) in blocks.enumerated() {
      let next = number + 1 < blocks.count ? kept[number + 1].input : out
      try block.forward(sequences, keeping: kept[number], out: next, on: execution)
    }
  }

  /// From the gradient of `out`, `[rows, width]`, to those of all weights and, in its place and if it is wanted,
  /// that of `input`.
  func backward(
    gradient: UnsafeMutablePointer<Float>, wantsInput: Bool, into gradients: Gradients,
    on execution: Execution
  ) throws(ARMSError) {
    for (number, block) in blocks.enumerated().reversed() {
      // What a block needs meanwhile the next uses again.
      try execution.arena.scoped { () throws(ARMSError) in
        try block.backward(
          sequences, kept: kept[number], gradient: gradient, wantsInput: number > 0 || wantsInput,
          into: gradients, on: execution)
      }
    }
  }
}
