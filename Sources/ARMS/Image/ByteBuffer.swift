import Glibc

/// Memory that may be refused: sizes that come from an image must not be able to trap.
///
/// The pointers do not keep it: who uses one says `extendLifetime` of the buffer afterwards.
struct ByteBuffer: ~Copyable {
  let bytes: UnsafeMutableRawBufferPointer
  private let isOwned: Bool

  /// The most bytes that are taken from scratch memory, which is kept for the next images.
  private static let keptBytes = 4 << 20

  /// Takes `count` bytes, uninitialised. Throws `outOfMemory`.
  init(count: Int) throws(ARMSError) {
    bytes = try Self.take(count)
    isOwned = true
  }

  /// Takes memory for `count` factors of `size` bytes each, from `arena` if it is not too much to be kept.
  /// Throws `outOfMemory`, also on overflow.
  init(_ count: Int, times size: Int, in arena: ScratchArena) throws(ARMSError) {
    let (total, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow else {
      throw ARMSError(.outOfMemory, "image: \(count) times \(size) bytes are more than any memory")
    }
    let isKept = total <= Self.keptBytes
    bytes =
      isKept
      ? UnsafeMutableRawBufferPointer(start: try arena.allocate(UInt8.self, total), count: total)
      : try Self.take(total)
    isOwned = !isKept
  }

  private static func take(_ count: Int) throws(ARMSError) -> UnsafeMutableRawBufferPointer {
    guard let memory = malloc(max(count, 1)) else {
      throw ARMSError(.outOfMemory, "image: \(count) bytes of memory could not be had")
    }
    return UnsafeMutableRawBufferPointer(start: memory, count: count)
  }

  deinit { if isOwned { free(bytes.baseAddress) } }

  /// The memory as bytes; `malloc` aligns it for any type.
  var pointer: UnsafeMutablePointer<UInt8> {
    bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
  }
}
