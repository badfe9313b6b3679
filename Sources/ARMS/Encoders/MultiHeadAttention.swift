import CKernels

/// Sequences of different lengths, one after the other without padding.
struct Sequences {
  /// `[count + 1]`: the row where each begins, and last the number of rows.
  let starts: UnsafePointer<Int>
  let count: Int

  var rows: Int { starts[count] }

  /// The longest length.
  var longest: Int {
    var longest = 0
    for index in 0..<count { longest = max(longest, starts[index + 1] - starts[index]) }
    return longest
  }
}

/// Which rows of a block's output are used after it.
enum KeptRows {
  case all
  /// The first of each sequence, the class token.
  case first
}

/// Scaled dot-product attention of every head over every sequence.
struct MultiHeadAttention: ParallelTask {
  let kernels: ck_kernels
  let sequences: Sequences
  let heads: Int
  let width: Int
  /// `[rows, width]` if all rows are queries, `[sequences, width]` if only the first of each is.
  let query: UnsafePointer<Float>
  let kept: KeptRows
  let key: UnsafePointer<Float>
  let value: UnsafePointer<Float>
  /// As `query`.
  let out: UnsafeMutablePointer<Float>
  /// `[threads, scratchStride]`
  let scratch: UnsafeMutablePointer<Float>
  let scratchStride: Int

  var count: Int { sequences.count * heads }
  var multiplyAdds: Double {
    2 * Double(kept == .all ? sequences.rows : sequences.count) * Double(sequences.longest) * Double(width)
  }

  /// Floats of scratch for each thread.
  static func scratchStride(longest: Int, headWidth: Int) -> Int {
    (ck_attention_scratch(longest, headWidth) + 15) & ~15
  }

  func run(_ index: Int, worker: Int) {
    let sequence = index / heads
    let headWidth = width / heads
    let offset = index % heads * headWidth
    let start = sequences.starts[sequence]
    let length = sequences.starts[sequence + 1] - start
    let queryRow = kept == .all ? start : sequence
    let arguments = ck_attention(
      q: query + queryRow * width + offset, ldq: width,
      k: key + start * width + offset, ldk: width,
      v: value + start * width + offset, ldv: width,
      queries: kept == .all ? length : 1, keys: length, dim: headWidth,
      scale: 1 / Float(headWidth).squareRoot(),
      out: out + queryRow * width + offset, ldo: width,
      scratch: scratch + worker * scratchStride)
    withUnsafePointer(to: arguments) { kernels.attention($0) }
  }
}
