import CKernels
import Glibc

/// What scoring a candidate gives.
public enum ScoreOutput: Sendable {
  /// `c_ij`, calibrated.
  case confidence
  /// `t_ij`
  case logit
}

extension CandidatePool {
  /// Scores one query, given by its normalised vector `z`, `[r]`, against every candidate: `out` is `[count]`.
  ///
  /// Throws `notFinite` if the weights make NaN of it.
  func score(
    _ query: UnsafePointer<Float>, classifier: Classifier, output: ScoreOutput,
    out: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    let task = ScoreCandidates(
      kernels: execution.kernels, pool: Unmanaged.passUnretained(self), classifier: classifier, query: query,
      output: output, out: out)
    execution.pool.run(task, count: (count + ScoreCandidates.piece - 1) / ScoreCandidates.piece)
    // A single one is worth looking for only if there is one: infinities and NaN survive a sum of products
    // with zero.
    var sum: Float = 0
    for index in 0..<count { sum += out[index] * 0 }
    guard sum != 0 || sum.isNaN else { return }
    for index in 0..<count where !out[index].isFinite {
      throw ARMSError(
        .notFinite,
        "the score of candidate \(quoted(candidates[index].name)) is \(out[index]); "
          + "the model file's weights are damaged")
    }
  }
}

/// `t / T + b`: the calibrated logit.
func calibrated(logit: Float, temperature: Float, bias: Float) -> Float { logit / temperature + bias }

/// `sigmoid(t / T + b)`: the calibrated confidence `c_ij` of a logit.
func confidence(logit: Float, temperature: Float, bias: Float) -> Float {
  confidence(calibrated(logit: logit, temperature: temperature, bias: bias))
}

/// The confidence of a calibrated logit.
func confidence(_ calibrated: Float) -> Float { 1 / (1 + expf(-calibrated)) }

/// Some thousand candidates a piece: their cosines, and while these are in the cache the scores.
private struct ScoreCandidates: ParallelTask {
  static let piece = 2_048

  let kernels: ck_kernels
  let pool: Unmanaged<CandidatePool>
  let classifier: Classifier
  let query: UnsafePointer<Float>
  let output: ScoreOutput
  let out: UnsafeMutablePointer<Float>

  func run(_ index: Int, worker: Int) {
    pool._withUnsafeGuaranteedRef { pool in
      let start = index * Self.piece
      let end = min(start + Self.piece, pool.count)
      let width = pool.keyWidth
      kernels.gemv(pool.keys + start * width, width, end - start, width, query, nil, out + start)
      let numbers = pool.numbers
      for place in start..<end {
        out[place] = classifier.logit(cosine: out[place], beta: numbers.beta[place])
      }
      guard output == .confidence else { return }
      for place in start..<end {
        out[place] = confidence(
          logit: out[place], temperature: numbers.temperature[place], bias: numbers.bias[place])
      }
    }
  }
}
