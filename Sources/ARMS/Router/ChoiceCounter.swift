import Synchronization

/// How often one candidate was chosen. The pools that it is in share it, so that calls in flight on an older
/// generation count too.
final class ChoiceCounter: Sendable {
  private let count = Atomic<UInt64>(0)

  var value: UInt64 { count.load(ordering: .relaxed) }

  func add() { count.wrappingAdd(1, ordering: .relaxed) }
}
