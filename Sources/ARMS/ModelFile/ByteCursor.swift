/// A position in a file's bytes that reads forward and never past the end.
///
/// Every read says what it reads, for the message when the bytes end first.
struct ByteCursor {
  let bytes: UnsafeRawBufferPointer
  /// The file's name, for messages.
  let file: String
  /// The next byte. Never more than `bytes.count`.
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
  }

  /// The number of bytes that are left.
  var remaining: Int { bytes.count - offset }

  /// Takes the next `count` bytes.
  mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws(ARMSError)
    -> UnsafeRawBufferPointer
  {
    guard count >= 0, count <= remaining else { throw truncated(what(), needs: UInt64(max(count, 0))) }
    let taken = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    offset += count
    return taken
  }

  /// Takes a little-endian u32.
  mutating func uint32(_ what: @autoclosure () -> String) throws(ARMSError) -> UInt32 {
    UInt32(littleEndian: try take(4, what()).loadUnaligned(as: UInt32.self))
  }

  /// Takes a little-endian u64.
  mutating func uint64(_ what: @autoclosure () -> String) throws(ARMSError) -> UInt64 {
    UInt64(littleEndian: try take(8, what()).loadUnaligned(as: UInt64.self))
  }

  /// Takes a u64 that counts items of at least `itemSize` bytes each, all of them still to come.
  mutating func count(itemSize: Int, _ what: @autoclosure () -> String) throws(ARMSError) -> Int {
    let claimed = try uint64(what())
    guard let count = Int(exactly: claimed), count <= remaining / itemSize else {
      throw invalid("claims \(claimed) \(what()), but only \(remaining) bytes follow")
    }
    return count
  }

  /// Takes a string: its length, then that many bytes, of any content.
  mutating func string(_ what: @autoclosure () -> String) throws(ARMSError) -> UnsafeRawBufferPointer {
    let claimed = try uint64(what())
    guard let length = Int(exactly: claimed), length <= remaining else {
      throw truncated(what(), needs: claimed)
    }
    return try take(length, what())
  }

  /// Takes `count` strings, which are one after the other. A vocabulary has a hundred thousand, and this pass
  /// over them is most of the work of opening a file: hence the plain loop.
  mutating func strings(_ count: Int, _ what: @autoclosure () -> String) throws(ARMSError)
    -> UnsafeRawBufferPointer
  {
    let start = offset
    var end = offset
    for _ in 0..<count {
      guard bytes.count - end >= 8 else {
        offset = end
        throw truncated(what(), needs: 8)
      }
      let claimed = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt64.self))
      end += 8
      guard claimed <= UInt64(bytes.count - end) else {
        offset = end
        throw truncated(what(), needs: claimed)
      }
      end += Int(claimed)
    }
    offset = end
    return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
  }

  /// Takes the name of a key or tensor.
  mutating func name(_ what: @autoclosure () -> String) throws(ARMSError) -> String {
    let bytes = try string("the name of \(what())")
    let name = String(decoding: bytes, as: UTF8.self)
    guard GGUF.isName(bytes) else {
      throw invalid(
        "the name of \(what()), \(quoted(name)), has \(bytes.count) bytes; \(GGUF.nameRule) is wanted")
    }
    return name
  }

  /// The error that this file is damaged in the way that `text` says.
  func invalid(_ text: String) -> ARMSError {
    ARMSError(.invalidModel, "\(printable(file)): \(text)")
  }

  private func truncated(_ what: String, needs: UInt64) -> ARMSError {
    invalid(
      "is cut off or damaged: \(what) needs \(needs) bytes at byte \(offset), but \(remaining) are left")
  }
}
