/// Memory for the intermediate results of one call.
///
/// Allocation moves a mark forward; ``reset()`` moves it back. An arena that had to grow in pieces becomes one
/// piece at the reset, so that from the second call of a kind on nothing is allocated.
package final class ScratchArena: @unchecked Sendable {
  // Used by one call at a time: ScratchPool hands it to nobody else meanwhile. That is why @unchecked holds.
  private var blocks: [AlignedBuffer] = []
  private var used = 0
  private var needed = 0
  private var mostNeeded = 0

  /// Bytes held.
  private(set) var byteCount = 0

  /// Room for `count` values, aligned to a cache line, not initialised.
  package func allocate<T>(_ type: T.Type, _ count: Int) throws(ARMSError) -> UnsafeMutablePointer<T> {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    guard !overflow, count >= 0, bytes < Int.max / 4 else {
      throw ARMSError(.outOfMemory, "\(count) scratch values cannot be allocated; shorten the batch")
    }
    let rounded = (bytes + 63) & ~63
    if blocks.last.map({ used + rounded > $0.byteCount }) ?? true {
      try grow(by: rounded)
    }
    guard let block = blocks.last else { throw ARMSError(.internal, "the scratch arena has no block") }
    let start = block.start + used
    used += rounded
    needed += rounded
    mostNeeded = max(mostNeeded, needed)
    return start.assumingMemoryBound(to: type)
  }

  private func grow(by bytes: Int) throws(ARMSError) {
    let block = try AlignedBuffer(byteCount: Self.blockSize(for: bytes, held: byteCount), purpose: "scratch")
    blocks.append(block)
    byteCount += block.byteCount
    used = 0
  }

  /// How large a block to add for an allocation, beside the bytes that are held.
  ///
  /// For the fuzzers every allocation is a block of its own: a checker of memory then sees a step from one into the
  /// next.
  private static func blockSize(for bytes: Int, held: Int) -> Int {
    #if ARMS_GUARDED_SCRATCH
      bytes
    #else
      max(bytes, 256 << 10, held / 2)
    #endif
  }

  /// Runs `body` and forgets what it allocated.
  func scoped<R>(_ body: () throws(ARMSError) -> R) throws(ARMSError) -> R {
    let before = (blocks: blocks.count, used: used, needed: needed)
    defer {
      // Of blocks that were added the last goes on empty, and the reset makes one of all.
      used = blocks.count == before.blocks ? before.used : 0
      needed = before.needed
    }
    return try body()
  }

  /// Forgets all allocations.
  func reset() {
    if blocks.count > 1 {
      // One piece for the next call, once the pieces are gone. Without it that call grows anew.
      blocks = []
      #if !ARMS_GUARDED_SCRATCH
        blocks =
          (try? AlignedBuffer(byteCount: mostNeeded + mostNeeded / 8, purpose: "scratch")).map { [$0] } ?? []
      #endif
      byteCount = blocks.first?.byteCount ?? 0
    }
    used = 0
    needed = 0
    mostNeeded = 0
  }
}
