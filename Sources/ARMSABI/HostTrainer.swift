import ARMS
import Synchronization

/// A trainer behind a handle, which any thread may use at any time: the engine's takes one thread at a time, so that
/// whoever comes while it is at work is told so.
final class HostTrainer: @unchecked Sendable {
  // The trainer is touched by whoever has set `holder`; that is why @unchecked holds.
  private let trainer: Trainer
  /// 0 while nobody is at it, else one more than the epoch of forks in which the call began.
  private let holder = Atomic<UInt64>(0)
  /// Read without a lock, which a reader that a fork lost would leave taken.
  private let finished = SnapshotCell(FinishedEpochs(metrics: []))

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

  /// Runs `body` with the trainer, alone. Throws `busy` if another call is at it, and `unsupported` if one was when this
  /// process was forked off: it never ends here, and what it left is half changed.
  func use<R>(_ body: (Trainer) throws(ARMSError) -> R) throws(ARMSError) -> R {
    let own = UInt64(Fork.epoch) + 1
    let (isFree, seen) = holder.compareExchange(expected: 0, desired: own, ordering: .acquiring)
    guard isFree else {
      throw seen == own
        ? ARMSError(
          .busy, "another call on this trainer is under way; wait until it returns, or make a second trainer")
        : ARMSError(
          .unsupported, "a call on this trainer was under way when this process was forked; make a new one")
    }
    defer { holder.store(0, ordering: .releasing) }
    return try body(trainer)
  }

  /// What the validations of the last run gave so far, one an epoch.
  var metrics: [TrainingMetrics] {
    get { finished.load().metrics }
    set { finished.update { _ in FinishedEpochs(metrics: newValue) } }
  }
}

/// What the validations of the epochs gave that are over.
private final class FinishedEpochs: Sendable {
  let metrics: [TrainingMetrics]

  init(metrics: [TrainingMetrics]) { self.metrics = metrics }
}
