import CKernels

/// A transformer encoder block: multi-head self-attention and a feed-forward network, each with a residual.
struct TransformerBlock {
  /// Where the LayerNorms stand.
  enum Order {
    /// Before attention and feed-forward, inside the residual: CLIP.
    case preNorm
    /// After the residuals: BERT.
    case postNorm
  }

  let order: Order
  let heads: Int
  let activation: ck_activation
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  let norm1: LayerNorm
  let up: Linear
  let down: Linear
  let norm2: LayerNorm

  var width: Int { query.inputs }
  /// Whether any linear layer has float weights, and so needs OpenBLAS. Key and value have the query's type.
  var needsBLAS: Bool { !(query.isInt8 && output.isInt8 && up.isInt8 && down.isInt8) }
}

extension [TransformerBlock] {
  /// The multiply-adds of their products for one row.
  var multiplyAddsPerRow: Double {
    guard let block = first else { return 0 }
    return Double(count) * Double(block.width) * Double(4 * block.width + 2 * block.up.outputs)
  }
}

/// The intermediate results of a stack of blocks, reused from block to block.
struct BlockWorkspace {
  let sequences: Sequences
  let normed: UnsafeMutablePointer<Float>
  let query: UnsafeMutablePointer<Float>
  let key: UnsafeMutablePointer<Float>
  let value: UnsafeMutablePointer<Float>
  let attended: UnsafeMutablePointer<Float>
  let hidden: UnsafeMutablePointer<Float>
  let summed: UnsafeMutablePointer<Float>
  let first: UnsafeMutablePointer<Float>
  let firstNormed: UnsafeMutablePointer<Float>
  let quantized: QuantizedRows
  let firstQuantized: QuantizedRows
  let scratch: UnsafeMutablePointer<Float>
  let scratchStride: Int

  init(sequences: Sequences, block: TransformerBlock, on execution: Execution) throws(ARMSError) {
    let arena = execution.arena
    let rows = sequences.rows
    let (width, feedForward) = (block.width, block.up.outputs)
    self.sequences = sequences
    normed = try arena.allocate(Float.self, rows * width)
    query = try arena.allocate(Float.self, rows * width)
    key = try arena.allocate(Float.self, rows * width)
    value = try arena.allocate(Float.self, rows * width)
    attended = try arena.allocate(Float.self, rows * width)
    summed = try arena.allocate(Float.self, rows * width)
    hidden = try arena.allocate(Float.self, rows * feedForward)
    first = try arena.allocate(Float.self, sequences.count * width)
    firstNormed = try arena.allocate(Float.self, sequences.count * width)
    quantized = try QuantizedRows(rows: rows, columns: max(width, feedForward), on: execution)
    firstQuantized = try QuantizedRows(rows: sequences.count, columns: width, on: execution)
    scratchStride = MultiHeadAttention.scratchStride(
      longest: sequences.longest, headWidth: width / block.heads)
    scratch = try arena.allocate(Float.self, scratchStride * execution.pool.threads)
  }
}
