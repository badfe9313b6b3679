import ARMS
import Synchronization

/// A trainer behind a handle, which any thread may use at any time: the engine's takes one thread at a time, so that
/// whoever comes while it is at work is told so.
final class HostTrainer: @unchecked Sendable {
  // The trainer is touched by whoever has set `isBusy`, the metrics under the lock; that is why @unchecked holds.
  private let trainer: Trainer
  private let isBusy = Atomic(false)
  private var finished: [TrainingMetrics] = []
  private let lock = ForkSafeLock()

  /// The trained weights and their gradients, which stay where they are.
  let parameters: UnsafeMutableBufferPointer<Float>
  let gradients: UnsafeMutableBufferPointer<Float>
  /// The tensors in them.
  let layout: [(name: String, range: Range<Int>)]

  init(_ trainer: Trainer) {
    self.trainer = trainer
    parameters = trainer.values
    gradients = trainer.gradients
    layout = trainer.layout
  }

  /// Runs `body` with the trainer, alone. Throws `busy` if another call is at it.
  func use<R>(_ body: (Trainer) throws(ARMSError) -> R) throws(ARMSError) -> R {
    guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
      throw ARMSError(
        .busy, "another call on this trainer is under way; wait until it returns, or make a second trainer")
    }
    defer { isBusy.store(false, ordering: .releasing) }
    return try body(trainer)
  }

  /// What the validations of the last run gave so far, one an epoch.
  var metrics: [TrainingMetrics] {
    get { lock.withLock { _ in finished } }
    set { lock.withLock { _ in finished = newValue } }
  }
}
