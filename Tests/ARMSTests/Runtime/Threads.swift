import Glibc
import Synchronization

@testable import ARMS

/// Swift hides it; the tests that use it touch nothing in the child but what they test.
@_silgen_name("fork") private func forkProcess() -> pid_t

/// Runs `body` in a forked child and answers what it returned, or the negative number of the signal that ended
/// the child. A child that hangs is ended by SIGALRM.
///
/// Another thread may hold a lock of the Swift runtime while this one forks, which the child then waits for in
/// vain: the runtime takes one when it meets a generic type for the first time. Run the same code in the
/// parent before.
func inChild(_ body: () -> Int32) -> Int32 {
  let child = forkProcess()
  if child == 0 {
    var alarmed = sigset_t()
    sigemptyset(&alarmed)
    sigaddset(&alarmed, SIGALRM)
    pthread_sigmask(SIG_UNBLOCK, &alarmed, nil)
    alarm(30)
    _exit(body())
  }
  var status: Int32 = 0
  while waitpid(child, &status, 0) < 0, errno == EINTR {}
  let signal = status & 0x7F
  return signal == 0 ? (status >> 8) & 0xFF : -signal
}

/// Threads that began to run `body` with their number, to be waited for.
struct Threads {
  private var handles: [pthread_t] = []

  init(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    for number in 0..<count {
      let start = Unmanaged.passRetained(ThreadStart(number: number, body: body))
      var handle = pthread_t()
      let status = pthread_create(
        &handle, nil,
        { raw in
          if let raw {
            let start = Unmanaged<ThreadStart>.fromOpaque(raw).takeRetainedValue()
            start.body(start.number)
          }
          return nil
        }, start.toOpaque())
      if status == 0 { handles.append(handle) } else { start.release() }
    }
  }

  func join() { for handle in handles { pthread_join(handle, nil) } }

  /// Runs `body` on `count` threads at once, and waits for them.
  static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    Threads(count, body).join()
  }
}

private final class ThreadStart: Sendable {
  let number: Int
  let body: @Sendable (Int) -> Void

  init(number: Int, body: @escaping @Sendable (Int) -> Void) {
    self.number = number
    self.body = body
  }
}

/// Holds threads back until all have come.
final class Barrier: Sendable {
  private let missing: Atomic<Int>

  init(_ count: Int) { missing = Atomic(count) }

  func wait() {
    missing.subtract(1, ordering: .sequentiallyConsistent)
    // Watching first: those who wait leave within nanoseconds of one another.
    var turns = 0
    while missing.load(ordering: .sequentiallyConsistent) > 0 {
      turns += 1
      if turns > 10_000 { sched_yield() }
    }
  }
}

/// A number that threads change.
final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  @discardableResult func add(_ amount: Int = 1) -> Int {
    count.add(amount, ordering: .sequentiallyConsistent).newValue
  }

  var value: Int { count.load(ordering: .sequentiallyConsistent) }
}
