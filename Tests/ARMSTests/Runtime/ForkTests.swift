import Glibc
import Synchronization
import Testing

@testable import ARMS

@Suite struct ForkTests {
  @Test func countsTheForks() {
    let epoch = Fork.epoch
    #expect(inChild { Fork.epoch == epoch + 1 ? 0 : 1 } == 0)
    #expect(inChild { inChild { Fork.epoch == epoch + 2 ? 0 : 1 } } == 0)
    #expect(Fork.epoch == epoch)
  }

  @Test func aLockLetsOneInAtATime() {
    let guarded = Guarded()
    Threads.run(4) { _ in
      for _ in 0..<10_000 { guarded.lock.withLock { _ in guarded.value += 1 } }
    }
    #expect(guarded.lock.withLock { stale in stale ? -1 : guarded.value } == 40_000)
  }

  @Test func aLockIsFreeAfterAnError() {
    let lock = ForkSafeLock()
    #expect(throws: ARMSError.self) {
      try lock.withLock { (_) throws(ARMSError) in throw ARMSError(.cancelled, "stop") }
    }
    #expect(lock.withLock { stale in !stale })
  }

  /// The child says that the holder was lost, once; the parent knows nothing of it.
  @Test func aHolderLostInAForkIsStale() {
    let guarded = Guarded()
    let (held, release) = (Counter(), Counter())
    let holder = Threads(1) { _ in
      guarded.lock.withLock { _ in
        held.add()
        while release.value == 0 { sched_yield() }
      }
    }
    while held.value == 0 { sched_yield() }
    // As in the child, so that its types are known there.
    #expect(Guarded().lock.withLock { stale in !stale })
    let status = inChild {
      guard guarded.lock.withLock({ stale in stale }) else { return 1 }
      return guarded.lock.withLock { stale in stale ? 2 : 0 }
    }
    #expect(status == 0)
    release.add()
    holder.join()
    #expect(guarded.lock.withLock { stale in !stale })
  }

  /// A child never sees what a thread that it has not has left half changed.
  @Test func aValueLostInAForkIsReplaced() {
    let shared = ForkSafe([1]) { [2] }
    let (held, release) = (Counter(), Counter())
    let holder = Threads(1) { _ in
      shared.withValue { value in
        value = [3]
        held.add()
        while release.value == 0 { sched_yield() }
      }
    }
    while held.value == 0 { sched_yield() }
    // As in the child, so that its types are known there.
    #expect(
      ForkSafe([1]) { [2] }.withValue {
        $0.append(4); return $0 == [1, 4]
      })
    let status = inChild {
      guard shared.withValue({ $0 == [2] }) else { return 1 }
      shared.withValue { $0.append(4) }
      return shared.withValue { $0 == [2, 4] } ? 0 : 2
    }
    #expect(status == 0)
    release.add()
    holder.join()
    #expect(shared.withValue { $0 == [3] })
    #expect(inChild { shared.withValue { $0 == [3] } ? 0 : 1 } == 0)
  }

  @Test func aFreeLockIsNotStaleInAChild() {
    let guarded = Guarded()
    guarded.lock.withLock { _ in guarded.value = 1 }
    #expect(inChild { guarded.lock.withLock { stale in stale ? 1 : 0 } } == 0)
  }
}

private final class Guarded: @unchecked Sendable {
  // Only touched under the lock; that is why @unchecked holds.
  var value = 0
  let lock = ForkSafeLock()
}
