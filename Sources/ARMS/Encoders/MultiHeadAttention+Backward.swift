import CKernels

/// The backward pass of scaled dot-product attention, `O = P V` with `P = softmax(s Q Kᵀ)`, per head and
/// sequence. P is computed again:
///
///     dV = Pᵀ dO      dS = s P (dO Vᵀ - rowsum(P dO Vᵀ))      dQ = dS K      dK = dSᵀ Q
struct MultiHeadAttentionBackward: ParallelTask {
  let kernels: ck_kernels
  let sequences: Sequences
  let heads: Int
  let width: Int
  /// Each `[rows, width]`.
  let query: UnsafePointer<Float>
  let key: UnsafePointer<Float>
  let value: UnsafePointer<Float>
  let outGradient: UnsafePointer<Float>
  let queryGradient: UnsafeMutablePointer<Float>
  let keyGradient: UnsafeMutablePointer<Float>
  let valueGradient: UnsafeMutablePointer<Float>
  /// `[threads, scratchStride]`
  let scratch: UnsafeMutablePointer<Float>

  var count: Int { sequences.count * heads }

  /// Floats of scratch for each thread: two matrices of the longest sequence's tokens by tokens.
  static func scratchStride(longest: Int) -> Int { (2 * longest * longest + 15) & ~15 }

  func run(_ index: Int, worker: Int) {
    let sequence = index / heads
    let headWidth = width / heads
    let start = sequences.starts[sequence]
    let length = sequences.starts[sequence + 1] - start
    let offset = start * width + index % heads * headWidth
    let weights = scratch + worker * Self.scratchStride(longest: sequences.longest)
    let scores = weights + length * length
    for (left, right, out) in [(query, key, weights), (outGradient, value, scores)] {
      BLAS.multiply(
        BLAS.Operand(left + offset, stride: width),
        BLAS.Operand(right + offset, stride: width, transposed: true), rows: length, columns: length,
        depth: headWidth, out: out, stride: length)
    }
    softmaxGradient(
      weights: weights, scores: scores, length: length, scale: 1 / Float(headWidth).squareRoot())
    for (left, isTransposed, right, out) in [
      (weights, true, outGradient, valueGradient), (scores, false, key, queryGradient),
      (scores, true, query, keyGradient),
    ] {
      BLAS.multiply(
        BLAS.Operand(left, stride: length, transposed: isTransposed),
        BLAS.Operand(right + offset, stride: width), rows: length, columns: headWidth, depth: length,
        out: out + offset, stride: width)
    }
  }

  /// From `Q Kᵀ` and `dO Vᵀ`, both `[length, length]`, to P and dS, in place.
  private func softmaxGradient(
    weights: UnsafeMutablePointer<Float>, scores: UnsafeMutablePointer<Float>, length: Int, scale: Float
  ) {
    for position in 0..<length {
      let (row, scores) = (weights + position * length, scores + position * length)
      kernels.softmax(row, length, scale)
      let mean = kernels.dot(row, scores, length)
      for other in 0..<length { scores[other] = scale * row[other] * (scores[other] - mean) }
    }
  }
}
