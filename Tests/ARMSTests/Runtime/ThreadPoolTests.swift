import Glibc
import Synchronization
import Testing

@testable import ARMS

@Suite struct ThreadPoolTests {
  @Test(arguments: [-1, 0, 1, 2, 3, 8], [-3, 0, 1, 2, 3, 7, 64, 1_000])
  func runsEveryPieceOnce(threads: Int, pieces: Int) {
    let pool = ThreadPool(threads: threads)
    #expect(pool.threads == max(1, threads))
    for _ in 0..<3 {
      let tally = Tally(pieces: pieces, threads: pool.threads)
      pool.run(tally, count: pieces)
      #expect(tally.ranEachOnce && tally.violations.value == 0)
    }
  }

  @Test func allThreadsWork() {
    let pool = ThreadPool(threads: 4)
    let meeting = Meeting(4)
    pool.run(meeting, count: 4)
    #expect(meeting.arrived.value == 4)
    #expect(meeting.workers.value == 0b1111)
  }

  @Test func workersTakeNoSignalsButThoseOfFaults() {
    let pool = ThreadPool(threads: 2)
    let masks = SignalMasks()
    pool.run(masks, count: 2)
    #expect(masks.blocked.value == 1 << Int(SIGTERM) | 1 << Int(SIGINT) | 1 << Int(SIGALRM))
  }

  /// A task that is done sooner than a sleeper is awake leaves it asleep, and a larger one wakes it. On a busy machine
  /// the worker may not have come to sleep yet, and helps; so it is enough that it slept on once.
  @Test func wakesNobodyForLittleWork() {
    let pool = ThreadPool(threads: 2)
    #expect(Self.works(pool) == 0)
    var slept = 0
    for _ in 0..<20 {
      // Long enough for the worker to fall asleep.
      usleep(50_000)
      let brief = Workers(multiplyAdds: 1_000)
      for _ in 0..<2_000 { pool.run(brief, count: 20) }
      if brief.seen.value == 0b01 { slept += 1 }
      let meeting = Meeting(2)
      pool.run(meeting, count: 2)
      #expect(meeting.workers.value == 0b11)
    }
    #expect(slept > 0)
  }

  @Test func servesManyCallersAtOnce() {
    let pool = ThreadPool(threads: 3)
    let wrong = Counter()
    Threads.run(8) { caller in
      for round in 0..<300 {
        let pieces = 1 + (caller + round) % 40
        let tally = Tally(pieces: pieces, threads: 3)
        pool.run(tally, count: pieces)
        if !tally.ranEachOnce || tally.violations.value > 0 { wrong.add() }
      }
    }
    #expect(wrong.value == 0)
  }

  /// The threads start at the first use, for which callers may race.
  @Test func survivesAFirstUseByManyCallers() {
    let wrong = Counter()
    let rounds = (0..<3_000).map { _ in (pool: ThreadPool(threads: 2), barrier: Barrier(2)) }
    Threads.run(2) { _ in
      for (pool, barrier) in rounds {
        barrier.wait()
        for _ in 0..<3 {
          let tally = Tally(pieces: 9, threads: 2)
          pool.run(tally, count: 9)
          if !tally.ranEachOnce || tally.violations.value > 0 { wrong.add() }
        }
      }
    }
    #expect(wrong.value == 0)
  }

  @Test func runsTasksBackToBack() {
    let pool = ThreadPool(threads: 3)
    let sum = Sum()
    var expected = 0
    for round in 0..<100_000 {
      let pieces = 2 + round % 4
      pool.run(sum, count: pieces)
      expected += pieces * (pieces + 1) / 2
    }
    #expect(sum.total.value == expected)
  }

  /// In a child, where no other test starts threads.
  @Test func aPoolThatGoesTakesItsThreadsAlong() {
    func rounds(_ count: Int) {
      for round in 0..<count {
        let pool = ThreadPool(threads: 4)
        if round % 3 != 0 { pool.run(Sum(), count: 10) }
        // Long enough, now and then, for the threads to fall asleep.
        if round % 10 == 0 { usleep(20_000) }
      }
    }
    func threads() -> Int { names(in: "/proc/self/task").count }
    rounds(2)
    #expect(threads() > 0)
    let status = inChild {
      rounds(50)
      while threads() > 1 { sched_yield() }
      return 0
    }
    #expect(status == 0)
  }

  @Test func worksInAForkedChild() {
    let pool = ThreadPool(threads: 3)
    #expect(Self.works(pool) == 0)
    for _ in 0..<5 { #expect(inChild { Self.works(pool) } == 0) }
    #expect(inChild { inChild { Self.works(pool) } } == 0)
    #expect(Self.works(pool) == 0)
  }

  @Test func worksInAChildForkedAmidTasks() {
    let pool = ThreadPool(threads: 3)
    #expect(Self.works(pool) == 0)
    let (started, stop) = (Counter(), Counter())
    let callers = Threads(3) { _ in
      while stop.value == 0 {
        pool.run(Sum(), count: 50)
        started.add()
      }
    }
    while started.value == 0 { sched_yield() }
    for _ in 0..<30 { #expect(inChild { Self.works(pool) } == 0) }
    stop.add()
    callers.join()
    #expect(Self.works(pool) == 0)
  }

  @Test(arguments: [1, 2, 3])
  func runsASideTaskOnce(threads: Int) throws {
    let pool = ThreadPool(threads: threads)
    for round in 0..<200 {
      let (side, tally) = (Side(), Tally(pieces: 9, threads: threads))
      let result = try pool.run(beside: side) { () throws(ARMSError) in
        // Without tasks, too: then no worker need be there.
        if round % 3 > 0 { pool.run(tally, count: 9) }
        return round
      }
      #expect(result == round && side.runs.value == 1)
      #expect(round % 3 == 0 || (tally.ranEachOnce && tally.violations.value == 0))
    }
  }

  /// The body's tasks are done before the side task is, which waits for them.
  @Test func aSideTaskHoldsUpNoOtherTask() throws {
    let pool = ThreadPool(threads: 2)
    let side = Side(waits: true)
    try pool.run(beside: side) { () throws(ARMSError) in
      pool.run(Sum(), count: 2)
      while side.begun.value == 0 { sched_yield() }
      let sum = Sum()
      for _ in 0..<100 { pool.run(sum, count: 10) }
      #expect(sum.total.value == 5_500 && side.runs.value == 0)
      side.mayEnd.add()
    }
    #expect(side.runs.value == 1)
    #expect(Self.works(pool) == 0)
  }

  @Test(arguments: [1, 2]) func aSideTaskIsDoneWhenTheBodyThrows(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let side = Side()
    #expect(throws: ARMSError.self) {
      try pool.run(beside: side) { () throws(ARMSError) in
        pool.run(Sum(), count: 4)
        throw ARMSError(.invalidImage, "no image")
      }
    }
    #expect(side.runs.value == 1)
  }

  @Test func sideTasksOfManyCallersRunOnce() {
    let pool = ThreadPool(threads: 3)
    let wrong = Counter()
    Threads.run(8) { caller in
      for round in 0..<300 {
        let (side, tally) = (Side(), Tally(pieces: 1 + (caller + round) % 12, threads: 3))
        try? pool.run(beside: side) { () throws(ARMSError) in pool.run(tally, count: tally.pieces) }
        if side.runs.value != 1 || !tally.ranEachOnce || tally.violations.value > 0 { wrong.add() }
      }
    }
    #expect(wrong.value == 0)
  }

  @Test func sideTasksRunInAChildForkedAmidOthers() {
    let pool = ThreadPool(threads: 3)
    let (started, stop) = (Counter(), Counter())
    let callers = Threads(3) { _ in
      while stop.value == 0 {
        try? pool.run(beside: Side()) { () throws(ARMSError) in pool.run(Sum(), count: 50) }
        started.add()
      }
    }
    while started.value == 0 { sched_yield() }
    for _ in 0..<30 {
      let status = inChild {
        // That a worker takes it shows that what the parent left behind counts as nothing.
        let side = Side(waits: true)
        try? pool.run(beside: side) { () throws(ARMSError) in
          pool.run(Sum(), count: 2)
          while side.begun.value == 0 { sched_yield() }
          side.mayEnd.add()
        }
        return side.runs.value == 1 ? Self.works(pool) : 3
      }
      #expect(status == 0)
    }
    stop.add()
    callers.join()
  }

  /// 0 if the pool has all its threads and runs each piece once.
  private static func works(_ pool: ThreadPool) -> Int32 {
    let meeting = Meeting(pool.threads)
    pool.run(meeting, count: pool.threads)
    guard meeting.arrived.value == pool.threads else { return 1 }
    for _ in 0..<100 {
      let tally = Tally(pieces: 20, threads: pool.threads)
      pool.run(tally, count: 20)
      guard tally.ranEachOnce, tally.violations.value == 0 else { return 2 }
    }
    return 0
  }
}

/// Counts how often each piece ran, and watches the numbers of the workers.
private final class Tally: ParallelTask, Sendable {
  let violations = Counter()
  let pieces: Int
  private let runs: [Counter]
  private let busy: [Counter]

  init(pieces: Int, threads: Int) {
    self.pieces = pieces
    runs = (0..<max(0, pieces)).map { _ in Counter() }
    busy = (0..<threads).map { _ in Counter() }
  }

  var ranEachOnce: Bool { runs.allSatisfy { $0.value == 1 } }

  func run(_ index: Int, worker: Int) {
    guard runs.indices.contains(index), busy.indices.contains(worker) else {
      violations.add()
      return
    }
    if busy[worker].add(1) != 1 { violations.add() }
    runs[index].add()
    if busy[worker].add(-1) != 0 { violations.add() }
  }
}

/// Pieces that wait for one another, so that each needs a thread of its own. They give up in the end.
private final class Meeting: ParallelTask, Sendable {
  let arrived = Counter()
  let workers = Counter()
  private let count: Int

  init(_ count: Int) { self.count = count }

  func run(_ index: Int, worker: Int) {
    workers.add(1 << worker)
    arrived.add()
    var turns = 0
    while arrived.value < count, turns < 100_000 {
      usleep(100)
      turns += 1
    }
    if turns == 100_000 { arrived.add(-1_000) }
  }
}

/// Notes which signals a worker has blocked, one bit each, of some that are sent and all that a fault raises.
private final class SignalMasks: ParallelTask, Sendable {
  let blocked = Counter()
  private let meeting = Meeting(2)

  func run(_ index: Int, worker: Int) {
    meeting.run(index, worker: worker)
    guard worker > 0 else { return }
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    for signal in [SIGTERM, SIGINT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP]
    where sigismember(&mask, signal) == 1 {
      blocked.add(1 << Int(signal))
    }
  }
}

/// Notes who works.
private final class Workers: ParallelTask, Sendable {
  let multiplyAdds: Double
  let seen = Counter()

  init(multiplyAdds: Double) { self.multiplyAdds = multiplyAdds }

  func run(_ index: Int, worker: Int) { if seen.value & 1 << worker == 0 { seen.add(1 << worker) } }
}

private final class Sum: ParallelTask, Sendable {
  let total = Counter()
  func run(_ index: Int, worker: Int) { total.add(index + 1) }
}

/// Counts how often it ran, once it may end.
private final class Side: SideTask, Sendable {
  let begun = Counter()
  let mayEnd = Counter()
  let runs = Counter()

  init(waits: Bool = false) { if !waits { mayEnd.add() } }

  func run() {
    begun.add()
    while mayEnd.value == 0 { sched_yield() }
    runs.add()
  }
}
