import CThreading
import Glibc
import Synchronization

/// Holds an immutable object that readers take without a lock and writers replace as a whole
/// (read-copy-update).
///
/// A reader announces itself, loads the reference, retains it and leaves: three atomic operations. A writer
/// swaps the reference, then waits until no reader that could have loaded the old one is still between its
/// load and its retain, and drops it. Those who come meanwhile are counted apart, in another phase, so that no
/// stream of readers can hold a writer up.
package final class SnapshotCell<Value: AnyObject & Sendable>: Sendable {
  /// The bits of an unmanaged, retained reference.
  private let reference: Atomic<UInt>
  // Readers between announcement and departure: from bit 48 on the fork epoch, at 47 the phase, from 24 on the readers
  // of phase 1, from 0 on those of phase 0. A process cannot have more threads than fit there.
  private let readers = Atomic<UInt64>(0)
  private let writer = ForkSafeLock()

  package init(_ value: Value) {
    reference = Atomic(Self.retainedBits(of: value))
  }

  deinit { Self.object(of: reference.load(ordering: .acquiring))?.release() }

  /// The present value. Lock-free, from any thread.
  package func load() -> Value { reading { $0 } }

  /// Runs `body` with the present value as an announced reader: a writer that replaces that value waits for its end.
  func reading<R>(_ body: (Value) -> R) -> R {
    let one = announce()
    defer { readers.wrappingSubtract(one, ordering: .sequentiallyConsistent) }
    while true {
      // Never nil: the bits come from an object.
      if let value = Self.object(of: reference.load(ordering: .sequentiallyConsistent)) {
        return body(value.takeUnretainedValue())
      }
    }
  }

  /// Replaces the value by what `change` makes of it, and returns that. Writers wait for one another, however long
  /// `change` takes; if it throws, the value stays.
  @discardableResult
  package func update<E: Error>(_ change: (Value) throws(E) -> Value) throws(E) -> Value {
    let (next, old) = try writer.withLock { (_) throws(E) in
      let next = try change(load())
      let old = reference.exchange(Self.retainedBits(of: next), ordering: .sequentiallyConsistent)
      let one = turnPhase()
      awaitDeparture(of: one)
      return (next, Self.object(of: old))
    }
    if let old { Self.awaitReaders(of: old.takeRetainedValue()) }
    return next
  }

  /// Gives readers some two milliseconds to finish, so that mostly the writer takes apart what was replaced: a
  /// reader is answering somebody, and what its thread frees stays in malloc's cache of that thread. Who keeps the
  /// value for longer, such as a trainer, frees it.
  private static func awaitReaders(of old: consuming Value) {
    for _ in 0..<20 {
      if isKnownUniquelyReferenced(&old) { return }
      usleep(50)
    }
  }

  private static func retainedBits(of value: Value) -> UInt {
    UInt(bitPattern: Unmanaged.passRetained(value).toOpaque())
  }

  private static func object(of bits: UInt) -> Unmanaged<Value>? {
    UnsafeRawPointer(bitPattern: bits).map { Unmanaged<Value>.fromOpaque($0) }
  }

  // MARK: Readers

  private static var phaseBit: UInt64 { 1 << 47 }

  /// Counts a reader in the present phase, and answers what one of that phase counts.
  private func announce() -> UInt64 {
    changeReaders { state, one in state + one }
  }

  /// Begins the other phase, which has no reader yet, and answers what one of the phase that ends counts.
  private func turnPhase() -> UInt64 {
    changeReaders { state, _ in state ^ Self.phaseBit }
  }

  /// Changes the count of readers, and answers what one reader counted in the phase before.
  private func changeReaders(_ change: (_ state: UInt64, _ one: UInt64) -> UInt64) -> UInt64 {
    let epoch = Self.epochBits
    var seen = readers.load(ordering: .relaxed)
    while true {
      // Readers of an older epoch were left behind in the parent.
      let state = seen >> 48 == epoch >> 48 ? seen : epoch
      let one: UInt64 = state & Self.phaseBit == 0 ? 1 : 1 << 24
      let (exchanged, original) = readers.weakCompareExchange(
        expected: seen, desired: change(state, one), ordering: .sequentiallyConsistent)
      if exchanged { return one }
      seen = original
    }
  }

  /// Waits for the readers of a phase. One that lost its core amid its few instructions comes back to it only if this
  /// thread sleeps, where this has a real-time priority: to yield gives way to its equals alone.
  private func awaitDeparture(of one: UInt64) {
    for _ in 0..<64 {
      if !arePresent(one) { return }
      ct_pause()
    }
    while arePresent(one) { usleep(50) }
  }

  /// Whether a reader of the phase in which it counts `one` is still there.
  private func arePresent(_ one: UInt64) -> Bool {
    let state = readers.load(ordering: .sequentiallyConsistent)
    return state >> 48 == Self.epochBits >> 48 && state / one & 0x7F_FFFF != 0
  }

  private static var epochBits: UInt64 { UInt64(Fork.epoch) << 48 }
}
