import CThreading
import Glibc
import Synchronization

/// Work that falls into `count` independent pieces.
protocol ParallelTask {
  /// Roughly the multiply-adds of all pieces, or what takes as long. Threads that sleep are woken for many alone.
  var multiplyAdds: Double { get }

  /// Does piece `index`. `worker` is in `0 ..< threads` and no two pieces run at once with the same one, so
  /// it can index scratch memory.
  func run(_ index: Int, worker: Int)
}

extension ParallelTask {
  /// Always worth more than one thread.
  var multiplyAdds: Double { .infinity }
}

/// Work that one thread does while another does something else.
protocol SideTask {
  /// Does all of it, on whichever thread.
  func run()
}

/// Threads that share the pieces of one task with the thread that asks.
///
/// Each has a share of neighbouring pieces, so that one that goes through memory in their order finds it fetched
/// ahead; whoever is done takes the rest of another's share, so that one that came late delays nobody. They start
/// at the first use and again in a forked child. A caller that finds them at work for another
/// caller does its pieces alone: with several host threads routing at once each core has work already, and
/// waiting for one another would only cost. The same holds for a task that is done sooner than a sleeper is awake.
/// Nothing is allocated by a task.
final class ThreadPool: Sendable {
  /// Threads that work on a task at most, the caller's included.
  let threads: Int

  private let shared: SharedState

  /// What one thread does while another wakes up, some 20 microseconds. Routes of small models that woke a thread
  /// for less had a 99th percentile of six to nine times the median among 16 callers on two cores, and now of three.
  private static let worthWaking = 0x1p20

  init(threads: Int) {
    self.threads = max(1, threads)
    shared = SharedState(threads: self.threads)
  }

  deinit { shared.stop() }

  /// No thread but the caller's.
  static let callerAlone = ThreadPool(threads: 1)

  /// The first of `count` pieces that falls to thread `share` of `threads`.
  static func start(ofShare share: Int, of threads: Int, count: Int) -> Int {
    let (whole, rest) = count.quotientAndRemainder(dividingBy: threads)
    return whole * share + min(rest, share)
  }

  /// Runs all pieces of `task`, and returns when the last is done.
  func run<Task: ParallelTask>(_ task: Task, count: Int) {
    guard count > 1, threads > 1, shared.claim() else {
      for index in 0..<max(count, 0) { task.run(index, worker: 0) }
      return
    }
    withUnsafePointer(to: task) { pointer in
      shared.execute(
        count: count, wakes: task.multiplyAdds >= Self.worthWaking, context: UnsafeRawPointer(pointer)
      ) { context, index, worker in
        context.assumingMemoryBound(to: Task.self).pointee.run(index, worker: worker)
      }
    }
  }

  /// Runs `side` on another thread while the caller runs `body`, and returns when both are done.
  ///
  /// The tasks of `body` do without that thread until it is done with `side`. If none comes to it in time, or all
  /// this has for another caller already, the caller does it too.
  func run<Side: SideTask, R>(
    beside side: Side, _ body: () throws(ARMSError) -> R
  ) throws(ARMSError) -> R {
    guard threads > 1 else {
      side.run()
      return try body()
    }
    return try withUnsafePointer(to: side) { (pointer) throws(ARMSError) in
      let isOffered = shared.offer(context: UnsafeRawPointer(pointer)) { context in
        context.assumingMemoryBound(to: Side.self).pointee.run()
      }
      defer { if isOffered { shared.finishSide() } else { side.run() } }
      return try body()
    }
  }
}

/// What the caller and the workers of a pool see of one another.
private final class SharedState: @unchecked Sendable {
  /// How long an idle thread watches for the next task before it sleeps, in turns of a pause (some 50
  /// microseconds). The tasks of one route follow one another faster, and waking a sleeper costs more.
  private static let watch = 4_000

  // The fields of the task are written by the caller that holds `claimed`, before it opens the task, and read
  // by workers that announced themselves in `inside` and then found it open. The caller does not return, nor
  // change them, before `inside` is 0. That is why @unchecked holds.
  private var body: (UnsafeRawPointer, Int, Int) -> Void = { _, _, _ in }
  private var context = UnsafeRawPointer(bitPattern: 1)
  private var count = 0

  // The fork epoch in the upper half, 1 in the lower while a caller has the workers.
  private let claimed = Atomic<UInt64>(0)
  /// The epoch whose process has the workers; touched by the caller that has them.
  private var startedEpoch = UInt64.max
  /// Those that run, of `threads - 1`, and after how many claims the others are to be started; touched as that is.
  private var workers = 0
  private var claimsUntilStart = 0
  /// Where the system gave no thread: some ten routes, so that asking again costs little.
  private static let claimsBetweenStarts = 1_000
  private let open = Atomic<Bool>(false)
  private let threads: Int
  /// The next piece of each thread's share, a cache line apart.
  private let next: UnsafeMutablePointer<Atomic<Int>>
  private static let line = 64 / MemoryLayout<Atomic<Int>>.stride
  private let inside = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  /// Grows with every task; sleepers wait for it to change.
  private let bell = UnsafeMutablePointer<ct_bell>.allocate(capacity: 1)
  private let sleepers = Atomic<Int>(0)

  /// What a worker does by itself: written by the caller that has ``side``, read by the worker that took it.
  private var sideBody: (UnsafeRawPointer) -> Void = { _ in }
  private var sideContext = UnsafeRawPointer(bitPattern: 1)
  /// The fork epoch in the upper half, a ``SideState`` in the lower; of an older epoch it is free.
  private let side = Atomic<UInt64>(0)

  private enum SideState: UInt64 {
    case free, prepared, offered, taken, done
  }

  init(threads: Int) {
    self.threads = threads
    bell.initialize(to: ct_bell(rings: 0))
    next = .allocate(capacity: threads * Self.line)
    for share in 0..<threads { (next + share * Self.line).initialize(to: Atomic(0)) }
  }

  deinit {
    bell.deallocate()
    next.deallocate()
  }

  /// Takes the workers for the caller, starting them if this process has none yet. False when another
  /// caller has them.
  func claim() -> Bool {
    let epoch = UInt64(Fork.epoch) << 32
    let seen = claimed.load(ordering: .relaxed)
    // A claim of an older epoch was left behind in the parent, as its threads were.
    guard seen != epoch | 1,
      claimed.compareExchange(expected: seen, desired: epoch | 1, ordering: .acquiring).exchanged
    else { return false }
    if startedEpoch != epoch {
      open.store(false, ordering: .relaxed)
      inside.store(0, ordering: .relaxed)
      sleepers.store(0, ordering: .relaxed)
      startedEpoch = epoch
      workers = 0
      claimsUntilStart = 0
    }
    startWorkers()
    return true
  }

  func execute(
    count: Int, wakes: Bool, context: UnsafeRawPointer,
    _ body: @escaping (UnsafeRawPointer, Int, Int) -> Void
  ) {
    self.body = body
    self.context = context
    self.count = count
    for share in 0..<threads { next[share * Self.line].store(start(of: share), ordering: .relaxed) }
    open.store(true, ordering: .sequentiallyConsistent)
    ring(wakes: wakes)
    work(as: 0)
    open.store(false, ordering: .sequentiallyConsistent)
    wait { inside.load(ordering: .sequentiallyConsistent) == 0 }
    claimed.store(startedEpoch, ordering: .releasing)
  }

  private func wait(until isDone: () -> Bool) {
    var spins = 0
    while !isDone() {
      ct_pause()
      spins += 1
      if spins > Self.watch { sched_yield() }
    }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    ring(wakes: true)
  }

  // MARK: Side tasks

  private func word(_ state: SideState) -> UInt64 { UInt64(Fork.epoch) << 32 | state.rawValue }

  /// Takes the side task that is offered, if there is one.
  private func takeSide() -> Bool {
    let offered = word(.offered)
    return side.load(ordering: .relaxed) == offered
      && side.compareExchange(expected: offered, desired: word(.taken), ordering: .acquiring).exchanged
  }

  /// Offers a side task to the workers. False when another caller has one there.
  func offer(context: UnsafeRawPointer, _ body: @escaping (UnsafeRawPointer) -> Void) -> Bool {
    let seen = side.load(ordering: .relaxed)
    let isStale = seen >> 32 != UInt64(Fork.epoch)
    guard isStale || seen == word(.free),
      side.compareExchange(expected: seen, desired: word(.prepared), ordering: .acquiring).exchanged
    else { return false }
    sideBody = body
    sideContext = context
    side.store(word(.offered), ordering: .releasing)
    ring(wakes: true)
    return true
  }

  /// Does the side task if no worker has begun it, else waits for it.
  func finishSide() {
    if takeSide() {
      runSide()
    } else {
      wait { side.load(ordering: .acquiring) == word(.done) }
    }
    side.store(word(.free), ordering: .releasing)
  }

  private func runSide() {
    if let sideContext { sideBody(sideContext) }
    side.store(word(.done), ordering: .releasing)
  }

  private func work(as worker: Int) {
    guard let context else { return }
    for turn in 0..<threads {
      let share = (worker + turn) % threads
      let end = start(of: share + 1)
      while true {
        let index = next[share * Self.line].wrappingAdd(1, ordering: .relaxed).oldValue
        if index >= end { break }
        body(context, index, worker)
      }
    }
  }

  /// The first piece of a share; that of `threads` is the end of the last.
  private func start(of share: Int) -> Int { ThreadPool.start(ofShare: share, of: threads, count: count) }

  // MARK: Workers

  /// Starts those that do not run yet; those that the system has no thread for are tried again later.
  private func startWorkers() {
    guard workers < threads - 1 else { return }
    guard claimsUntilStart == 0 else {
      claimsUntilStart -= 1
      return
    }
    while workers < threads - 1 {
      guard start(worker: workers + 1) else {
        claimsUntilStart = Self.claimsBetweenStarts
        return
      }
      workers += 1
    }
  }

  /// Whether the system gave the worker a thread. Without one the others do its work.
  private func start(worker: Int) -> Bool {
    let argument = Unmanaged.passRetained(WorkerArgument(state: self, worker: worker))
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    // A worker runs kernels, encoders, OpenBLAS and the image libraries; their frames are small. A size that is
    // refused leaves the default.
    pthread_attr_setstacksize(&attributes, ct_stack_size(256 << 10))
    let status = withoutSignals {
      pthread_create(
        &thread, &attributes,
        { raw in
          guard let raw else { return nil }
          let argument = Unmanaged<WorkerArgument>.fromOpaque(raw).takeRetainedValue()
          argument.state.serve(as: argument.worker)
          return nil
        }, argument.toOpaque())
    }
    if status != 0 { argument.release() }
    return status == 0
  }

  /// Threads inherit the mask of signals: the host's signals stay with the host's threads. Those of a fault come to the
  /// thread that makes it, where the host's handler is to see them; blocked, they would end the process without it.
  private func withoutSignals<R>(_ body: () -> R) -> R {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP] { sigdelset(&all, fault) }
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return body()
  }

  private func serve(as worker: Int) {
    var heard: UInt32 = 0
    while !stopping.load(ordering: .sequentiallyConsistent) {
      if takeSide() { runSide() }
      inside.wrappingAdd(1, ordering: .sequentiallyConsistent)
      if open.load(ordering: .sequentiallyConsistent) { work(as: worker) }
      inside.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      heard = listen(after: heard)
    }
  }

  /// Waits until the bell rang after `heard`: watching first, then asleep.
  private func listen(after heard: UInt32) -> UInt32 {
    for _ in 0..<Self.watch {
      let rung = ct_bell_rings(bell)
      if rung != heard { return rung }
      ct_pause()
    }
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    defer { sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    while true {
      let rung = ct_bell_rings(bell)
      if rung != heard || stopping.load(ordering: .sequentiallyConsistent) { return rung }
      ct_bell_sleep(bell, heard)
    }
  }

  /// Tells those who watch of a task, and those who sleep if it is worth it.
  private func ring(wakes: Bool) {
    ct_bell_ring(bell)
    if wakes, sleepers.load(ordering: .sequentiallyConsistent) > 0 { ct_bell_wake(bell) }
  }
}

private final class WorkerArgument: Sendable {
  let state: SharedState
  let worker: Int
  init(state: SharedState, worker: Int) {
    self.state = state
    self.worker = worker
  }
}
