import Glibc
import Synchronization

/// Counts the forks between this process and the one that loaded the library.
///
/// Only the forking thread lives on in a child. A lock that another thread held, or a reader that another
/// thread had announced, would stay so forever. Every lock and count of this library therefore carries the
/// epoch in which it was taken, and one of an older epoch counts as free. Swift's own, of lazy globals and of types
/// that are used for the first time, do not: `arms.h` asks for a call of each kind before.
package enum Fork {
  private static let count = Atomic<UInt32>(0)
  private static let registration: Int32 = pthread_atfork(nil, nil) {
    _ = Fork.count.wrappingAdd(1, ordering: .relaxed)
  }

  /// The present epoch. The first call registers the counter with the system.
  package static var epoch: UInt32 {
    _ = registration
    return count.load(ordering: .relaxed)
  }
}

/// A lock that survives `fork()`: a holder that did not does not hold it in the child.
///
/// It spins, then yields, then sleeps: most of what it guards takes well under a microsecond, and what takes longer
/// is seldom waited for.
package struct ForkSafeLock: ~Copyable {
  // The epoch in the upper half, 1 in the lower while it is held.
  private let state = Atomic<UInt64>(0)

  /// Makes a free lock.
  package init() {}

  /// Runs `body` alone. `stale` says that a holder was lost in a fork, so that what is guarded may be
  /// half changed.
  package func withLock<R: ~Copyable, E: Error>(_ body: (_ stale: Bool) throws(E) -> R) throws(E) -> R {
    let stale = lock()
    defer { state.store(UInt64(Fork.epoch) << 32, ordering: .releasing) }
    return try body(stale)
  }

  private func lock() -> Bool {
    let epoch = UInt64(Fork.epoch) << 32
    var spins = 0
    while true {
      let seen = state.load(ordering: .relaxed)
      let held = (seen & 1) == 1
      let stale = held && (seen & ~1) != epoch
      if !held || stale,
        state.weakCompareExchange(expected: seen, desired: epoch | 1, ordering: .acquiring).exchanged
      {
        return stale
      }
      spins += 1
      if spins > 1_024 { usleep(100) } else if spins > 64 { sched_yield() }
    }
  }
}

/// A value that one thread at a time reads or changes, and that survives `fork()`.
///
/// What a holder that did not survive left half changed is no value any more: it is forgotten, not released, and another
/// takes its place.
package final class ForkSafe<Value>: @unchecked Sendable {
  // The value is touched under the lock only; that is why @unchecked holds.
  private let lock = ForkSafeLock()
  private let value: UnsafeMutablePointer<Value>
  private let replacement: @Sendable () -> Value

  /// Holds `value`; in a child that lost it what `replacement` makes.
  package init(_ value: Value, orElse replacement: @escaping @Sendable () -> Value) {
    self.value = .allocate(capacity: 1)
    self.value.initialize(to: value)
    self.replacement = replacement
  }

  deinit {
    withValue { _ in }
    value.deinitialize(count: 1)
    value.deallocate()
  }

  /// Runs `body` with the value, alone.
  package func withValue<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
    try lock.withLock { (stale) throws(E) in
      if stale { value.initialize(to: replacement()) }
      return try body(&value.pointee)
    }
  }
}
