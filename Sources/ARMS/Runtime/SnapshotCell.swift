import Glibc
import Synchronization

/// Holds an immutable object that readers take without a lock and writers replace as a whole
/// (read-copy-update).
///
/// A reader announces itself, loads the reference, retains it and leaves: three atomic operations. A writer
/// swaps the reference, then waits until no reader that could have loaded the old one is still between its
/// load and its retain, and drops it.
package final class SnapshotCell<Value: AnyObject & Sendable>: Sendable {
  /// The bits of an unmanaged, retained reference.
  private let reference: Atomic<UInt>
  // Readers between announcement and departure: the fork epoch in the upper half, their number in the lower.
  private let readers = Atomic<UInt64>(0)
  private let writer = ForkSafeLock()

  package init(_ value: Value) {
    reference = Atomic(Self.retainedBits(of: value))
  }

  deinit { Self.object(of: reference.load(ordering: .acquiring))?.release() }

  /// The present value. Lock-free, from any thread.
  package func load() -> Value {
    announce()
    defer { readers.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    while true {
      // Never nil: the bits come from an object.
      if let value = Self.object(of: reference.load(ordering: .sequentiallyConsistent)) {
        return value.takeUnretainedValue()
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
      while present(readers.load(ordering: .sequentiallyConsistent)) { sched_yield() }
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

  private func announce() {
    let epoch = UInt64(Fork.epoch) << 32
    var seen = readers.load(ordering: .relaxed)
    while true {
      // Readers of an older epoch were left behind in the parent.
      let base = (seen & ~0xFFFF_FFFF) == epoch ? seen : epoch
      let (exchanged, original) = readers.weakCompareExchange(
        expected: seen, desired: base + 1, ordering: .sequentiallyConsistent)
      if exchanged { return }
      seen = original
    }
  }

  private func present(_ state: UInt64) -> Bool {
    state >> 32 == UInt64(Fork.epoch) && state & 0xFFFF_FFFF != 0
  }
}
