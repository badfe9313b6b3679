import Glibc

/// Memory that may be refused: sizes that come from an image must not be able to trap.
///
/// The pointers do not keep it: who uses one says `extendLifetime` of the buffer afterwards.
struct ByteBuffer: ~Copyable {
  let bytes: UnsafeMutableRawBufferPointer

  /// Takes `count` bytes, uninitialised. Throws `outOfMemory`.
  init(count: Int) throws(ARMSError) {
    guard let memory = malloc(max(count, 1)) else {
      throw ARMSError(.outOfMemory, "image: \(count) bytes of memory could not be had")
    }
    bytes = UnsafeMutableRawBufferPointer(start: memory, count: count)
  }

  /// Takes memory for `count` factors of `size` bytes each. Throws `outOfMemory`, also on overflow.
  init(_ count: Int, times size: Int) throws(ARMSError) {
    let (total, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow else {
      throw ARMSError(.outOfMemory, "image: \(count) times \(size) bytes are more than any memory")
    }
    try self.init(count: total)
  }

  deinit { free(bytes.baseAddress) }

  /// The memory as bytes; `malloc` aligns it for any type.
  var pointer: UnsafeMutablePointer<UInt8> {
    bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
  }
}
