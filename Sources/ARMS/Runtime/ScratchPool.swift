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
  var byteCount: Int { withIdle { $0.reduce(0) { $0 + $1.byteCount } } }

  private func take() -> ScratchArena { withIdle { $0.popLast() } ?? ScratchArena() }

  private func giveBack(_ arena: ScratchArena) {
    arena.reset()
    withIdle { if $0.count < Self.capacity { $0.append(arena) } }
  }

  private func withIdle<R>(_ body: (inout [ScratchArena]) -> R) -> R {
    lock.withLock { stale in
      // A thread of the parent was amid a change when this process was forked off. What it left is no valid
      // array: it is forgotten, not released.
      if stale { withUnsafeMutablePointer(to: &idle) { $0.initialize(to: []) } }
      return body(&idle)
    }
  }
}
