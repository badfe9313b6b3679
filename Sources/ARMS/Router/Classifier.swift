import CKernels
import Glibc

/// How a cosine becomes a logit (`arms.head` in the model file).
public enum LogitHead: String, Sendable, CaseIterable {
  /// `clamp(atanh(s))` (Eq. 6).
  case paper
  /// `alpha s + beta_j`, both learned.
  case scaled
}

/// The classifier: can candidate j answer query i? `s_ij = cos(W_z LN([q_i; e_i]) + b_z, W_m m_j)` (Eq. 5).
///
/// The paper's widths do not match, so both sides are projected to a shared width `r`.
struct Classifier {
  /// From cosine to logit.
  enum Logit {
    /// Bounds of the logit, and the cosines at which it reaches them. Clipping the cosine first keeps the
    /// gradient finite; clamping afterwards would multiply infinity by 0.
    case paper(minimum: Float, maximum: Float)
    /// `[1]`; training changes it in place.
    case scaled(alpha: UnsafePointer<Float>)
  }

  let norm: LayerNorm
  let query: Linear
  let candidate: Linear
  let logit: Logit
  /// A vector is divided by the larger of its norm and this.
  let cosineEpsilon: Float

  /// Which head the model file asked for.
  var kind: LogitHead {
    switch logit {
    case .paper: .paper
    case .scaled: .scaled
    }
  }

  /// `r`
  var sharedWidth: Int { query.outputs }

  /// Writes the normalised vectors `z_i`, `[queries, r]`, from the rows `[q; e]`, which are overwritten.
  func embedQueries(
    _ joined: UnsafeMutablePointer<Float>, rows: Int, room: QuantizedRows, out: UnsafeMutablePointer<Float>,
    on execution: Execution
  ) {
    let input = norm.forward(joined, rows: rows, out: joined, for: query, room: room, on: execution)
    query.forward(input, out: out, stride: sharedWidth, on: execution)
    for row in 0..<rows { normalize(out + row * sharedWidth, execution.kernels) }
  }

  /// Writes the normalised keys of candidates, `[rows, r]`, from `m_j + delta_j`, `[rows, d_t]`.
  func embedCandidates(
    _ profiles: UnsafePointer<Float>, rows: Int, out: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    let room = try QuantizedRows(rows: rows, columns: candidate.inputs, in: execution.arena)
    let input = candidate.input(
      profiles, stride: candidate.inputs, rows: rows, room: room, on: execution)
    candidate.forward(input, out: out, stride: sharedWidth, on: execution)
    for row in 0..<rows { normalize(out + row * sharedWidth, execution.kernels) }
  }

  /// The logit `t_ij` of a cosine.
  func logit(cosine: Float, beta: Float) -> Float {
    switch logit {
    case .paper(let minimum, let maximum):
      let clipped = min(max(cosine, tanhf(minimum)), tanhf(maximum))
      return min(max(atanhf(clipped), minimum), maximum)
    case .scaled(let alpha):
      return alpha.pointee * cosine + beta
    }
  }

  private func normalize(_ vector: UnsafeMutablePointer<Float>, _ kernels: ck_kernels) {
    let norm = kernels.dot(vector, vector, sharedWidth).squareRoot()
    let scale = 1 / max(norm, cosineEpsilon)
    for index in 0..<sharedWidth { vector[index] *= scale }
  }
}
