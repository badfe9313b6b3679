import Glibc

/// Gathers normalised text as UTF-8, in memory that may be refused: a text is as long as a host lets it be.
final class TextSink: NormalizedTextSink {
  private var start: UnsafeMutablePointer<UInt8>?
  private var count = 0
  private var capacity = 0
  /// Whether memory was refused: what came then is lost.
  private(set) var isExhausted = false

  deinit { free(start) }

  /// The text so far, as long as this lives.
  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

  func appendWordBytes(
    _ text: UnsafePointer<UInt8>, _ count: Int, _ table: UnsafePointer<UInt16>
  ) -> Int {
    var taken = 0
    while taken < count {
      let entry = table[Int(text[taken])]
      if entry >= BERTNormalizer.dropped { break }
      append(UInt8(truncatingIfNeeded: entry))
      taken &+= 1
    }
    return taken
  }

  func appendWord(_ scalar: UInt32) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4) { scratch in
      guard let base = scratch.baseAddress else { return }
      for byte in scratch[..<UTF8Text.encode(scalar, to: base)] { append(byte) }
    }
  }

  func appendPunctuation(_ scalar: UInt32) { appendWord(scalar) }
  func appendSpace(_ scalar: UInt32) { appendWord(scalar) }

  @inline(__always)
  private func append(_ byte: UInt8) {
    if count == capacity { grow() }
    guard let start, count < capacity else { return }
    start[count] = byte
    count &+= 1
  }

  @inline(never)
  private func grow() {
    let wanted = max(2 * capacity, 256)
    guard !isExhausted, let larger = realloc(start, wanted) else {
      isExhausted = true
      return
    }
    (start, capacity) = (larger.assumingMemoryBound(to: UInt8.self), wanted)
  }
}
