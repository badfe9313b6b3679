import Glibc

/// Memory of its own, aligned to a cache line and filled with zeros.
final class AlignedBuffer: @unchecked Sendable {
  // Written only before it is shared, by whoever made it; that is why @unchecked holds.
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  /// Whether it is pages of the system, not malloc's.
  let isMapped: Bool

  /// From so many bytes on memory comes from the system, and goes back to it at once. The pieces of malloc's heaps
  /// that trainers leave behind are no use to one another: of a small router they were 15 MB beside 2 MB in use.
  ///
  /// In builds for sanitizers and fuzzers all is malloc's, whose blocks they see the ends of. Memcheck runs the release
  /// library, and sees of a mapping only whether its pages are there.
  private static let mappedByteCount: Int = {
    #if ARMS_INSTRUMENTED
      .max
    #else
      256 << 10
    #endif
  }()

  /// Allocates `byteCount` bytes; throws `.outOfMemory` naming `purpose` when they cannot be had.
  init(byteCount: Int, purpose: @autoclosure () -> String) throws(ARMSError) {
    let mapped = byteCount >= Self.mappedByteCount ? Self.map(byteCount) : nil
    // A process may have only so many mappings: without one malloc is asked, which has room in those that it has.
    guard byteCount >= 0, let memory = mapped ?? Self.allocate(max(byteCount, 64)) else {
      throw ARMSError(.outOfMemory, "\(byteCount) bytes for \(purpose()) cannot be allocated")
    }
    isMapped = mapped != nil
    start = memory
    self.byteCount = byteCount
  }

  /// Allocates room for `count` values of `type`.
  convenience init<T>(
    _ type: T.Type, count: Int, purpose: @autoclosure () -> String
  ) throws(ARMSError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    guard !overflow else {
      throw ARMSError(.outOfMemory, "\(count) values for \(purpose()) cannot be allocated")
    }
    try self.init(byteCount: bytes, purpose: purpose())
  }

  deinit { if isMapped { munmap(start, byteCount) } else { free(start) } }

  /// Pages of the system, which are zeros.
  private static func map(_ count: Int) -> UnsafeMutableRawPointer? {
    count < hugePage ? mapPages(count) : mapHugePages(count)
  }

  /// As ``map(_:)``, from the start of a huge page on and with the advice to use them, where the system has them.
  ///
  /// What is read from memory once a pass, weights, gradients and moments, comes faster that way, since the processor's
  /// prefetching ends at each page: 17 GB/s where small pages gave 12. A step of training in bfloat16 takes 15% less.
  private static func mapHugePages(_ count: Int) -> UnsafeMutableRawPointer? {
    // Kernels before 6.7 map at any page, so a huge page more is asked for, and what is too much goes back.
    guard count < Int.max / 2, let memory = mapPages(count + hugePage) else { return nil }
    let skipped = -Int(bitPattern: memory) & (hugePage - 1)
    let start = memory + skipped
    let end = count.roundedUp(toMultipleOf: Int(getpagesize()))
    if skipped > 0 { munmap(memory, skipped) }
    if skipped < hugePage { munmap(start + end, hugePage - skipped) }
    madvise(start, count, MADV_HUGEPAGE)
    return start
  }

  /// Bytes of a huge page, on x86-64 and on ARM with pages of 4 KiB.
  private static let hugePage = 2 << 20

  private static func mapPages(_ count: Int) -> UnsafeMutableRawPointer? {
    let memory = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    return memory == MAP_FAILED ? nil : memory
  }

  private static func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, 64, count) == 0, let memory else { return nil }
    memset(memory, 0, count)
    return memory
  }

  /// All of it; valid as long as this object lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: byteCount) }

  func pointer<T>(to type: T.Type) -> UnsafeMutablePointer<T> { start.assumingMemoryBound(to: type) }
}
