import CKernels
import Glibc

extension CandidatePool {
  /// Writes the logits `t_ij` of one query, `[count]`, from its normalised vector `z`, `[r]`.
  ///
  /// Throws `notFinite` if the weights make NaN of it.
  func logits(
    of query: UnsafePointer<Float>, classifier: Classifier, out: UnsafeMutablePointer<Float>,
    on execution: Execution
  ) throws(ARMSError) {
    let task = CosineScores(
      kernels: execution.kernels, keys: keys, width: keyWidth, count: count, query: query, out: out)
    execution.pool.run(task, count: task.pieces)
    for index in 0..<count {
      let logit = classifier.logit(cosine: out[index], beta: candidates[index].beta)
      guard logit.isFinite else {
        throw ARMSError(
          .notFinite,
          "the score of candidate \(quoted(candidates[index].name)) is \(logit); "
            + "the model file's weights are damaged")
      }
      out[index] = logit
    }
  }
}

extension Candidate {
  /// The calibrated confidence `c_ij = sigmoid(t_ij / T_j + b_j)`.
  func confidence(logit: Float) -> Float { 1 / (1 + expf(-(logit / temperature + bias))) }
}

/// Cosines of one normalised query with normalised keys, some thousand keys a piece.
private struct CosineScores: ParallelTask {
  let kernels: ck_kernels
  let keys: UnsafePointer<Float>
  let width: Int
  let count: Int
  let query: UnsafePointer<Float>
  let out: UnsafeMutablePointer<Float>

  private static let piece = 2_048
  var pieces: Int { (count + Self.piece - 1) / Self.piece }

  func run(_ index: Int, worker: Int) {
    let start = index * Self.piece
    kernels.gemv(
      keys + start * width, width, min(Self.piece, count - start), width, query, nil, out + start)
  }
}
