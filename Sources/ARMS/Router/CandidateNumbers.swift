/// What scoring reads of every candidate, each number of all candidates in a row: a hundred thousand are scored
/// as fast as memory gives them.
final class CandidateNumbers: @unchecked Sendable {
  // Written in the initialiser only; that is why @unchecked holds.
  private let buffer: AlignedBuffer
  private let count: Int
  /// Whether every candidate is enabled.
  let allEnabled: Bool

  /// `beta_j`
  var beta: UnsafeMutablePointer<Float> { buffer.pointer(to: Float.self) }
  /// `T_j`
  var temperature: UnsafeMutablePointer<Float> { beta + count }
  /// `b_j`
  var bias: UnsafeMutablePointer<Float> { beta + 2 * count }

  init(_ candidates: [Candidate]) throws(ARMSError) {
    count = candidates.count
    buffer = try AlignedBuffer(Float.self, count: 3 * count, purpose: "\(count) candidates")
    allEnabled = candidates.allSatisfy(\.isEnabled)
    for (index, candidate) in candidates.enumerated() {
      beta[index] = candidate.beta
      temperature[index] = candidate.temperature
      bias[index] = candidate.bias
    }
  }
}
