/// UTF-8 as bytes: where it is ill-formed, and its scalars where it is not.
package enum UTF8Text {
  /// The offset of the first ill-formed sequence, or nil if the text is UTF-8 (Unicode, table 3-7).
  package static func firstInvalidOffset(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
    guard let bytes = text.baseAddress else { return nil }
    let raw = UnsafeRawPointer(bytes)
    let count = text.count
    var index = 0
    while index < count {
      if index &+ 8 <= count,
        raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
      {
        index &+= 8
        continue
      }
      let length = sequenceLength(bytes + index, count &- index)
      if length == 0 { return index }
      index &+= length
    }
    return nil
  }

  /// The length of the well-formed sequence that `bytes` begins with, 0 if there is none.
  private static func sequenceLength(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    let lead = bytes[0]
    // The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF.
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return 0
    }
    guard count >= length, second.contains(bytes[1]) else { return 0 }
    var index = 2
    while index < length {
      if bytes[index] & 0xC0 != 0x80 { return 0 }
      index &+= 1
    }
    return length
  }

  /// The scalar at the front of well-formed UTF-8, and its length in bytes.
  @inline(__always)
  static func decode(_ bytes: UnsafePointer<UInt8>) -> (scalar: UInt32, length: Int) {
    let lead = UInt32(bytes[0])
    if lead < 0x80 { return (lead, 1) }
    let second = UInt32(bytes[1] & 0x3F)
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | second, 2) }
    let third = UInt32(bytes[2] & 0x3F)
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | second << 6 | third, 3) }
    return ((lead & 0x07) << 18 | second << 12 | third << 6 | UInt32(bytes[3] & 0x3F), 4)
  }

  /// The scalar that ends before `end`, and its length; `end` is above 0 and on a boundary.
  static func decodeBackwards(
    _ bytes: UnsafePointer<UInt8>, before end: Int
  ) -> (scalar: UInt32, length: Int) {
    var start = end &- 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start &-= 1 }
    return decode(bytes + start)
  }

  /// Writes the UTF-8 of a scalar, at most 4 bytes, and returns its length.
  @inline(__always)
  static func encode(_ scalar: UInt32, to bytes: UnsafeMutablePointer<UInt8>) -> Int {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: 0x80 | scalar >> shift & 0x3F) }
    if scalar < 0x80 {
      bytes[0] = UInt8(truncatingIfNeeded: scalar)
      return 1
    }
    if scalar < 0x800 {
      bytes[0] = UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6)
      bytes[1] = tail(0)
      return 2
    }
    if scalar < 0x10000 {
      bytes[0] = UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12)
      bytes[1] = tail(6)
      bytes[2] = tail(0)
      return 3
    }
    bytes[0] = UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18)
    bytes[1] = tail(12)
    bytes[2] = tail(6)
    bytes[3] = tail(0)
    return 4
  }
}
