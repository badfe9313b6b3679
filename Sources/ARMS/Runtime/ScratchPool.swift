/// The scratch arenas of a router, one for each call in flight, kept for the next calls.
final class ScratchPool: @unchecked Sendable {
  // `idle` is only touched under the lock; that is why @unchecked holds.
  private var idle: [ScratchArena] = []
  private let lock = ForkSafeLock()

  /// Arenas kept when idle: more calls at once than this allocate anew.
  private static let capacity = 64

  init() { idle.reserveCapacity(Self.capacity) }

  /// Runs `body` with an arena of its own.
  func withArena<R>(_ body: (ScratchArena) throws(ARMSError) -> R) throws(ARMSError) -> R {
    let arena = take()
    defer { giveBack(arena) }
    return try body(arena)
  }

  /// Bytes of the idle arenas.
  var byteCount: Int {
    lock.withLock { stale in stale ? 0 : idle.reduce(0) { $0 + $1.byteCount } }
  }

  private func take() -> ScratchArena {
    lock.withLock { stale -> ScratchArena? in
      // A thread of the parent was amid a change when this process was forked off.
      if stale { idle = [] }
      return idle.popLast()
    } ?? ScratchArena()
  }

  private func giveBack(_ arena: ScratchArena) {
    arena.reset()
    lock.withLock { _ in
      if idle.count < Self.capacity { idle.append(arena) }
    }
  }
}
