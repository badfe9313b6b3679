import Glibc

/// Memory of its own, aligned to a cache line and filled with zeros.
final class AlignedBuffer: @unchecked Sendable {
  // Written only before it is shared, by whoever made it; that is why @unchecked holds.
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  private let isMapped: Bool

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
    let memory = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    return memory == MAP_FAILED ? nil : memory
  }

  private static func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, 64, count) == 0, let memory else { return nil }
    memset(memory, 0, count)
    return memory
  }

  func pointer<T>(to type: T.Type) -> UnsafeMutablePointer<T> { start.assumingMemoryBound(to: type) }
}
