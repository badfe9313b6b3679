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
  /// Two matrices of the longest sequence's tokens by tokens, and two rows.
  var scratchStride: Int { Self.scratchStride(longest: sequences.longest) }

  static func scratchStride(longest: Int) -> Int { 2 * longest * (longest + 1) }

  func run(_ index: Int, worker: Int) {
    let sequence = index / heads
    let headWidth = width / heads
    let start = sequences.starts[sequence]
    let length = sequences.starts[sequence + 1] - start
    let offset = start * width + index % heads * headWidth
    // Transposed: a key's column of P and dS becomes a row, which the products for dV and dK read.
    let weights = scratch + worker * scratchStride
    let scores = weights + length * length
    let row = scores + length * length
    let rowScores = row + length
    let scale = 1 / Float(headWidth).squareRoot()
    for position in 0..<length {
      let place = offset + position * width
      kernels.gemv(key + offset, width, length, headWidth, query + place, nil, row)
      kernels.softmax(row, length, scale)
      kernels.gemv(value + offset, width, length, headWidth, outGradient + place, nil, rowScores)
      let mean = kernels.dot(row, rowScores, length)
      for other in 0..<length {
        rowScores[other] = scale * row[other] * (rowScores[other] - mean)
        weights[other * length + position] = row[other]
        scores[other * length + position] = rowScores[other]
      }
      kernels.gemv_transposed(key + offset, width, length, headWidth, rowScores, queryGradient + place)
    }
    for position in 0..<length {
      let place = offset + position * width
      kernels.gemv_transposed(
        outGradient + offset, width, length, headWidth, weights + position * length, valueGradient + place)
      kernels.gemv_transposed(
        query + offset, width, length, headWidth, scores + position * length, keyGradient + place)
    }
  }
}
