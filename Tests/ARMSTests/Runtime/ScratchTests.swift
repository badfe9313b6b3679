import Glibc
import Testing

@testable import ARMS

@Suite struct ScratchTests {
  @Test func alignsEveryAllocation() throws {
    let arena = ScratchArena()
    for count in [1, 3, 0, 64, 65, 100_000, 7] {
      #expect(Int(bitPattern: try arena.allocate(UInt8.self, count)) % 64 == 0)
      #expect(Int(bitPattern: try arena.allocate(Double.self, count)) % 64 == 0)
    }
  }

  /// Allocations of one call do not overlap, over all the blocks that the arena grows by.
  @Test func allocationsAreApart() throws {
    let arena = ScratchArena()
    for _ in 0..<2 {
      let sizes = (0..<200).map { 1 + $0 * 997 % 30_011 }
      let pieces = try sizes.enumerated().map { number, size in
        let piece = try arena.allocate(UInt16.self, size)
        for index in 0..<size { piece[index] = UInt16(number) }
        return UnsafeBufferPointer(start: piece, count: size)
      }
      for (number, piece) in pieces.enumerated() {
        #expect(piece.allSatisfy { $0 == UInt16(number) })
      }
      arena.reset()
    }
  }

  @Test func anIdenticalCallAllocatesNothing() throws {
    func call(_ arena: ScratchArena) throws {
      for size in [1_000, 200_000, 5, 300_000, 70_000, 1 << 20, 63] {
        _ = try arena.allocate(Float.self, size)
      }
    }
    let arena = ScratchArena()
    #expect(arena.byteCount == 0)
    try call(arena)
    arena.reset()
    let bytes = arena.byteCount
    #expect(bytes >= 4 * 1_571_068 && bytes < 8 * 1_571_068)
    var starts: Set<UnsafeMutablePointer<Float>> = []
    for _ in 0..<5 {
      starts.insert(try arena.allocate(Float.self, 1))
      try call(arena)
      #expect(arena.byteCount == bytes)
      arena.reset()
      #expect(arena.byteCount == bytes)
    }
    #expect(starts.count == 1)
  }

  @Test func aScopeForgetsWhatItAllocated() throws {
    let arena = ScratchArena()
    func scope(_ count: Int) throws(ARMSError) -> UnsafeMutablePointer<UInt8> {
      try arena.scoped { () throws(ARMSError) in try arena.allocate(UInt8.self, count) }
    }
    let kept = try arena.allocate(UInt8.self, 64)
    kept.update(repeating: 7, count: 64)
    #expect(try scope(1_000) == scope(1_000))
    let bytes = arena.byteCount
    // A scope that needs another block, and what stands before it stays.
    for _ in 0..<3 { (try scope(1_000_000)).update(repeating: 1, count: 1_000_000) }
    #expect(arena.byteCount > bytes && arena.byteCount < 2_000_000)
    #expect((0..<64).allSatisfy { kept[$0] == 7 })
    arena.reset()
    let grown = arena.byteCount
    _ = try arena.allocate(UInt8.self, 64)
    for _ in 0..<3 { _ = try scope(1_000_000) }
    #expect(grown >= 1_000_064 && arena.byteCount == grown)
  }

  @Test func refusesWhatCannotBeHad() {
    let arena = ScratchArena()
    for count in [Int.max, Int.max / 4, Int.max / 8, Int.max / 16, -1, Int.min, 1 << 58] {
      let error = failure { try arena.allocate(Float.self, count) }
      #expect(error?.code == .outOfMemory, "\(count)")
    }
    #expect(failure { try arena.allocate(UInt8.self, 1 << 60) }?.code == .outOfMemory)
    #expect(arena.byteCount == 0)
    #expect(failure { try arena.allocate(Float.self, 10) } == nil)
  }

  @Test func aBufferIsAlignedAndZero() throws {
    for count in [0, 1, 17, 100_000, 1 << 19, 3 << 19, 1_300_001] {
      let buffer = try AlignedBuffer(Float.self, count: count, purpose: "a test")
      #expect(Int(bitPattern: buffer.start) % 64 == 0)
      #expect(buffer.byteCount == 4 * count)
      #expect((0..<count).allSatisfy { buffer.pointer(to: Float.self)[$0] == 0 })
    }
  }

  @Test func largeBuffersBeginAtAHugePageAndGiveAllBack() throws {
    // The huge page more that each asks for would make 1 GB, were it kept. Other tests run beside, whose threads come
    // and go: what is kept grows in each try.
    var growth = Int.max
    for _ in 0..<10 where growth >= 500 << 20 {
      let before = try addressSpace()
      for round in 0..<500 {
        let buffer = try AlignedBuffer(byteCount: 5_000_000 + round, purpose: "a test")
        #expect(!buffer.isMapped || Int(bitPattern: buffer.start) % (2 << 20) == 0)
        buffer.pointer(to: UInt8.self)[buffer.byteCount - 1] = 1
      }
      growth = try addressSpace() - before
    }
    #expect(growth < 500 << 20)
  }

  /// Bytes of all mappings of the process.
  private func addressSpace() throws -> Int {
    let file = try #require(fopen("/proc/self/statm", "r"))
    defer { fclose(file) }
    var line = [UInt8](repeating: 0, count: 128)
    let count = fread(&line, 1, line.count, file)
    let pages = try #require(String(decoding: line.prefix(count), as: UTF8.self).split(separator: " ").first)
    return try #require(Int(pages)) * Int(getpagesize())
  }

  @Test func aBufferThatCannotBeHadSaysWhatFor() {
    for count in [Int.max, Int.max / 4, -1, Int.min] {
      let error = failure { try AlignedBuffer(Float.self, count: count, purpose: "the \(count) moons") }
      #expect(error?.code == .outOfMemory)
      #expect(error?.message.contains("the \(count) moons") == true)
    }
  }

  @Test func callsReuseTheArenas() throws {
    let pool = ScratchPool()
    #expect(pool.byteCount == 0)
    var first: ScratchArena?
    try pool.withArena { (arena) throws(ARMSError) in
      first = arena
      _ = try arena.allocate(UInt8.self, 1_000_000)
      // A call amid another has an arena of its own.
      try pool.withArena { (inner) throws(ARMSError) in _ = try inner.allocate(UInt8.self, 10) }
    }
    let bytes = pool.byteCount
    #expect(bytes >= 1_000_010)
    let error = failure {
      try pool.withArena { (arena) throws(ARMSError) in
        #expect(arena === first)
        _ = try arena.allocate(UInt8.self, 1_000_000)
        throw ARMSError(.cancelled, "stop")
      }
    }
    #expect(error?.code == .cancelled)
    #expect(pool.byteCount == bytes)
  }

  @Test func callsAtOnceHaveArenasOfTheirOwn() {
    let pool = ScratchPool()
    let wrong = Counter()
    Threads.run(6) { number in
      for round in 0..<500 {
        let isWrong = try? pool.withArena { (arena) throws(ARMSError) in
          let mark = number * 1_000 + round
          let values = try arena.allocate(Int.self, 100)
          for index in 0..<100 { values[index] = mark }
          sched_yield()
          return (0..<100).contains { values[$0] != mark }
        }
        if isWrong != false { wrong.add() }
      }
    }
    #expect(wrong.value == 0)
  }

  /// The pool's bookkeeping may be half changed in the child; asking for its size must not hide that.
  @Test func thePoolWorksInAChildForkedAmidCalls() {
    let pool = ScratchPool()
    let done = Counter()
    let callers = Threads(4) { _ in
      while done.value == 0 {
        try? pool.withArena { (arena) throws(ARMSError) in _ = try arena.allocate(Float.self, 100) }
      }
    }
    func works() -> Int32 {
      guard pool.byteCount >= 0 else { return 1 }
      for _ in 0..<20 {
        let sum = try? pool.withArena { (arena) throws(ARMSError) in
          let values = try arena.allocate(Float.self, 100)
          for index in 0..<100 { values[index] = 1 }
          return (0..<100).reduce(Float(0)) { $0 + values[$1] }
        }
        guard sum == 100 else { return 2 }
      }
      return 0
    }
    #expect(works() == 0)
    for _ in 0..<60 { #expect(inChild { works() } == 0) }
    done.add()
    callers.join()
  }
}
