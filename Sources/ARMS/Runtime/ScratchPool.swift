/// The scratch arenas of a router, one for each call in flight, kept for the next calls.
final class ScratchPool: Sendable {
  private let idle = ForkSafe(ScratchPool.empty) { ScratchPool.empty }

  /// Arenas kept when idle: more calls at once than this allocate anew.
  private static let capacity = 64

  /// No arena, with room for all.
  private static var empty: [ScratchArena] {
    var arenas: [ScratchArena] = []
    arenas.reserveCapacity(capacity)
    return arenas
  }

  /// Runs `body` with an arena of its own.
  func withArena<R>(_ body: (ScratchArena) throws(ARMSError) -> R) throws(ARMSError) -> R {
    let arena = take()
    defer { giveBack(arena) }
    return try body(arena)
  }

  /// Bytes of the idle arenas.
  var byteCount: Int { idle.withValue { $0.reduce(0) { $0 + $1.byteCount } } }

  private func take() -> ScratchArena { idle.withValue { $0.popLast() } ?? ScratchArena() }

  private func giveBack(_ arena: ScratchArena) {
    arena.reset()
    idle.withValue { if $0.count < Self.capacity { $0.append(arena) } }
  }
}
