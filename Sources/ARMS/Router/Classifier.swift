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
    case paper(minimum: Float, maximum: Float, leastCosine: Float, largestCosine: Float)
    /// `[1]`; training changes it in place.
    case scaled(alpha: UnsafePointer<Float>)

    /// The paper's head with the given bounds of the logit.
    static func paper(minimum: Float, maximum: Float) -> Logit {
      .paper(minimum: minimum, maximum: maximum, leastCosine: tanhf(minimum), largestCosine: tanhf(maximum))
    }
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
  ///
  /// A key has the same bits whatever candidates it is computed with, so that a router decides alike however
  /// its candidates came: one by one, at once, or from a file.
  func embedCandidates(
    _ profiles: UnsafePointer<Float>, rows: Int, out: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    switch candidate.weight {
    case .float(let weight):
      let task = CandidateKeys(
        kernels: execution.kernels, weight: weight, inputs: candidate.inputs, outputs: sharedWidth,
        profiles: profiles, rows: rows, out: out)
      execution.pool.run(task, count: task.pieces)
    case .int8:
      let room = try QuantizedRows(rows: rows, columns: candidate.inputs, on: execution)
      let input = candidate.input(
        profiles, stride: candidate.inputs, rows: rows, room: room, on: execution)
      candidate.forward(input, out: out, stride: sharedWidth, on: execution)
    }
    for row in 0..<rows { normalize(out + row * sharedWidth, execution.kernels) }
  }

  /// The logit `t_ij` of a cosine.
  func logit(cosine: Float, beta: Float) -> Float {
    switch logit {
    case .paper(let minimum, let maximum, let leastCosine, let largestCosine):
      let clipped = min(max(cosine, leastCosine), largestCosine)
      return min(max(atanhf(clipped), minimum), maximum)
    case .scaled(let alpha):
      return alpha.pointee * cosine + beta
    }
  }

  private func normalize(_ vector: UnsafeMutablePointer<Float>, _ kernels: ck_kernels) {
    let norm = kernels.dot(vector, vector, sharedWidth).squareRoot()
    // An overflow of the squares would pass as a vector of zeros: NaN is found out by whoever reads it.
    let scale = norm.isFinite ? 1 / max(norm, cosineEpsilon) : .nan
    for index in 0..<sharedWidth { vector[index] *= scale }
  }
}

/// Products of profiles with float weights, some profiles a piece. OpenBLAS would sum in an order that depends
/// on the number of rows.
private struct CandidateKeys: ParallelTask {
  let kernels: ck_kernels
  /// `[outputs, inputs]`
  let weight: UnsafePointer<Float>
  let inputs: Int
  let outputs: Int
  let profiles: UnsafePointer<Float>
  let rows: Int
  let out: UnsafeMutablePointer<Float>

  private static let rowsPerPiece = 32
  // The weights of some outputs stay in the second-level cache while all rows of a piece use them.
  private static let outputsPerBlock = 64

  var pieces: Int { (rows + Self.rowsPerPiece - 1) / Self.rowsPerPiece }

  func run(_ index: Int, worker: Int) {
    let start = index * Self.rowsPerPiece
    for output in stride(from: 0, to: outputs, by: Self.outputsPerBlock) {
      for row in start..<min(start + Self.rowsPerPiece, rows) {
        kernels.gemv(
          weight + output * inputs, inputs, min(Self.outputsPerBlock, outputs - output), inputs,
          profiles + row * inputs, nil, out + row * outputs + output)
      }
    }
  }
}
