import Glibc
import Synchronization
import Testing

@testable import ARMS

@Suite struct SnapshotCellTests {
  @Test func readersNeverSeeAFreedOrOlderValue() {
    let (live, wrong, done) = (Counter(), Counter(), Counter())
    do {
      let cell = SnapshotCell(Generation(0, live))
      let readers = Threads(4) { _ in
        var last = 0
        while done.value == 0 {
          let value = cell.load()
          if !value.isAlive || value.number < last { wrong.add() }
          last = value.number
        }
      }
      for _ in 0..<1_000 { cell.update { Generation($0.number + 1, live) } }
      done.add()
      readers.join()
      #expect(wrong.value == 0)
      #expect(cell.load().number == 1_000)
      #expect(live.value == 1)
    }
    #expect(live.value == 0)
  }

  /// A writer waits for a reader of the old value, asleep, but not for one that came after it had replaced it.
  @Test func aLaterReaderHoldsNoWriterUp() {
    let live = Counter()
    let cell = SnapshotCell(Generation(0, live))
    let (inside, mayLeave) = ((0..<2).map { _ in Counter() }, (0..<2).map { _ in Counter() })
    @Sendable func read(_ reader: Int) -> Int {
      cell.reading { value in
        inside[reader].add()
        while mayLeave[reader].value == 0 { sched_yield() }
        return value.isAlive ? value.number : -1
      }
    }
    let (written, writerState) = (Counter(), Counter())
    let first = Threads(1) { _ in if read(0) != 0 { inside[0].add() } }
    while inside[0].value == 0 { sched_yield() }
    let writer = Threads(1) { _ in
      writerState.add(Int(open("/proc/thread-self/stat", O_RDONLY)))
      cell.update { Generation($0.number + 1, live) }
      written.add()
    }
    while cell.load().number == 0 { sched_yield() }
    let later = Threads(1) { _ in if read(1) != 1 { inside[1].add() } }
    while inside[1].value == 0 { sched_yield() }
    var polls = 0
    while !isAsleep(writerState.value), polls < 20_000 {
      usleep(100)
      polls += 1
    }
    #expect(polls < 20_000)
    close(Int32(writerState.value))
    #expect(written.value == 0)
    mayLeave[0].add()
    first.join()
    // Without end, if the later reader holds it up.
    writer.join()
    mayLeave[1].add()
    later.join()
    #expect(inside.map(\.value) == [1, 1])
    #expect(live.value == 1)
  }

  @Test func aValueOutlivesItsReplacement() {
    let live = Counter()
    let cell = SnapshotCell(Generation(0, live))
    let first = cell.load()
    cell.update { Generation($0.number + 1, live) }
    #expect(first.isAlive && first.number == 0)
    #expect(live.value == 2)
  }

  @Test func writersLoseNoUpdate() {
    let live = Counter()
    let cell = SnapshotCell(Generation(0, live))
    Threads.run(4) { _ in
      for _ in 0..<5_000 { cell.update { Generation($0.number + 1, live) } }
    }
    #expect(cell.load().number == 20_000)
    #expect(live.value == 1)
  }

  @Test func aFailedUpdateLeavesTheValue() throws {
    let live = Counter()
    let cell = SnapshotCell(Generation(7, live))
    #expect(throws: ARMSError.self) {
      try cell.update { (_) throws(ARMSError) in throw ARMSError(.cancelled, "stop") }
    }
    #expect(cell.load().number == 7)
    cell.update { Generation($0.number + 1, live) }
    #expect(cell.load().number == 8)
  }

  /// Readers and writers of the parent that are lost in a fork hold nobody up in the child.
  @Test func worksInAChildForkedAmidReadsAndWrites() {
    let (live, done) = (Counter(), Counter())
    let cell = SnapshotCell(Generation(0, live))
    let threads = Threads(4) { number in
      while done.value == 0 {
        if number == 0 { cell.update { Generation($0.number + 1, live) } } else { _ = cell.load().number }
      }
    }
    func changed() -> Int {
      let before = cell.load().number
      for _ in 0..<10 { cell.update { Generation($0.number + 1, live) } }
      return cell.load().number - before
    }
    #expect(changed() >= 10)
    for _ in 0..<30 { #expect(inChild { changed() == 10 ? 0 : 1 } == 0) }
    done.add()
    threads.join()
  }
}

/// Whether the thread whose `stat` of /proc is open sleeps: number, name in brackets, state.
private func isAsleep(_ stat: Int) -> Bool {
  var line = [UInt8](repeating: 0, count: 256)
  guard pread(Int32(stat), &line, line.count, 0) > 0, let bracket = line.lastIndex(of: UInt8(ascii: ")"))
  else {
    return false
  }
  return line[bracket + 2] == UInt8(ascii: "S")
}

/// A value that knows whether it was freed.
private final class Generation: Sendable {
  let number: Int
  private let mark = Atomic<Int>(0x5EED)
  private let live: Counter

  init(_ number: Int, _ live: Counter) {
    self.number = number
    self.live = live
    live.add()
  }

  var isAlive: Bool { mark.load(ordering: .relaxed) == 0x5EED }

  deinit {
    mark.store(0, ordering: .relaxed)
    live.add(-1)
  }
}
