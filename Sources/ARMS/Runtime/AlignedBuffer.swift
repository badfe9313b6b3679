import Glibc

/// Memory of its own, aligned to a cache line and filled with zeros.
final class AlignedBuffer: @unchecked Sendable {
  // Written only before it is shared, by whoever made it; that is why @unchecked holds.
  let start: UnsafeMutableRawPointer
  let byteCount: Int

  /// Allocates `byteCount` bytes; throws `.outOfMemory` naming `purpose` when they cannot be had.
  init(byteCount: Int, purpose: @autoclosure () -> String) throws(ARMSError) {
    var memory: UnsafeMutableRawPointer?
    guard byteCount >= 0, posix_memalign(&memory, 64, max(byteCount, 64)) == 0, let memory else {
      throw ARMSError(.outOfMemory, "\(byteCount) bytes for \(purpose()) cannot be allocated")
    }
    memset(memory, 0, max(byteCount, 64))
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

  deinit { free(start) }

  func pointer<T>(to type: T.Type) -> UnsafeMutablePointer<T> { start.assumingMemoryBound(to: type) }
}
