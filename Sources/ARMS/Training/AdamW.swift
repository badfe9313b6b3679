import CKernels
import Glibc

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101): decoupled weight decay, on matrices only.
final class AdamW: @unchecked Sendable {
  /// Its constants.
  struct Options: Sendable, Equatable {
    var beta1 = 0.9
    var beta2 = 0.999
    var epsilon = 1e-8
    var weightDecay = 1e-2
    /// The largest norm of all gradients together; larger ones are scaled down. 0: no limit.
    var clip = 0.0
  }

  // Used by the one trainer that owns it. That is why @unchecked holds.
  let options: Options
  /// Steps made.
  private(set) var step = 0
  private let set: ParameterSet
  private let moments: AlignedBuffer
  private let partial: AlignedBuffer
  private let pieces: [Piece]

  /// A part of one parameter, so that a piece decays as a whole or not at all.
  fileprivate struct Piece {
    let offset: Int
    let count: Int
    let decays: Bool

    static let size = 64 << 10
  }

  /// The running means of the gradients, and of their squares; each has the parameters' layout.
  var firstMoments: UnsafeMutablePointer<Float> { moments.pointer(to: Float.self) }
  var secondMoments: UnsafeMutablePointer<Float> { firstMoments + set.count }

  /// Goes on from `step`, with moments that were written to their places.
  func setStep(_ step: Int) { self.step = step }

  init(_ set: ParameterSet, options: Options) throws(ARMSError) {
    self.set = set
    self.options = options
    moments = try AlignedBuffer(
      Float.self, count: 2 * set.count, purpose: "moments of \(set.count) parameters")
    pieces = set.entries.flatMap { entry in
      stride(from: 0, to: entry.parameter.count, by: Piece.size).map { start in
        Piece(
          offset: entry.offset + start, count: min(Piece.size, entry.parameter.count - start),
          decays: entry.parameter.decays)
      }
    }
    partial = try AlignedBuffer(Float.self, count: pieces.count, purpose: "partial sums")
  }

  /// The norm of all gradients together.
  func gradientNorm(on execution: Execution) -> Double {
    let sums = partial.pointer(to: Float.self)
    execution.pool.run(
      SquareSums(kernels: execution.kernels, pieces: pieces, gradients: set.gradients, sums: sums),
      count: pieces.count)
    return pieces.indices.reduce(0.0) { $0 + Double(sums[$1]) }.squareRoot()
  }

  /// One step with the gradients of the set. Throws `notFinite`, and changes nothing, if they are not finite.
  func apply(rate: Double, on execution: Execution) throws(ARMSError) {
    let norm = gradientNorm(on: execution)
    guard norm.isFinite else {
      throw ARMSError(
        .notFinite,
        "the gradients of step \(step + 1) are not finite; lower the learning rate or check the weights")
    }
    step += 1
    let scale = options.clip > 0 && norm > options.clip ? options.clip / norm : 1
    let arguments = ck_adamw(
      value: nil, gradient: nil, first: nil, second: nil, count: 0, gradient_scale: Float(scale), kept: 1,
      beta1: Float(options.beta1), beta2: Float(options.beta2),
      rate: Float(rate / (1 - pow(options.beta1, Double(step)))),
      correction: Float(1 / (1 - pow(options.beta2, Double(step))).squareRoot()),
      epsilon: Float(options.epsilon))
    execution.pool.run(
      Update(
        kernels: execution.kernels, pieces: pieces, set: set, first: moments.pointer(to: Float.self),
        arguments: arguments, kept: Float(1 - rate * options.weightDecay)),
      count: pieces.count)
  }
}

private struct SquareSums: ParallelTask {
  let kernels: ck_kernels
  let pieces: [AdamW.Piece]
  let gradients: UnsafePointer<Float>
  let sums: UnsafeMutablePointer<Float>

  func run(_ index: Int, worker: Int) {
    let values = gradients + pieces[index].offset
    sums[index] = kernels.dot(values, values, pieces[index].count)
  }
}

private struct Update: ParallelTask {
  let kernels: ck_kernels
  let pieces: [AdamW.Piece]
  let set: ParameterSet
  let first: UnsafeMutablePointer<Float>
  let arguments: ck_adamw
  /// For pieces that decay.
  let kept: Float

  func run(_ index: Int, worker: Int) {
    let piece = pieces[index]
    var arguments = arguments
    arguments.value = set.values + piece.offset
    arguments.gradient = UnsafePointer(set.gradients + piece.offset)
    arguments.first = first + piece.offset
    arguments.second = first + set.count + piece.offset
    arguments.count = piece.count
    if piece.decays { arguments.kept = kept }
    kernels.adamw(&arguments)
  }
}
