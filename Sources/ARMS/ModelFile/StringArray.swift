/// An array of strings of a model file, read in place.
///
/// The strings lie one after the other, each behind its length; one pass over them notes where each begins,
/// so that any of them is found at once and none is copied. 119,547 tokens take half a megabyte.
///
/// Immutable, so safe to share between threads. Keeps the file's bytes alive.
struct StringArray: @unchecked Sendable {
  private let file: FileBytes
  private let start: UnsafePointer<UInt8>?
  /// Where each string begins, from `start`, and last where one behind the last would: string i ends 8
  /// bytes (the length of the next) before string i + 1 begins.
  private let offsets: [UInt32]

  /// Notes the strings of `value`, or nil if they do not end where the value does or lie beyond 4 GiB.
  ///
  /// The header's check went over the same lengths, but a mapped file may change meanwhile.
  init?(_ value: MetadataValue, in file: FileBytes) {
    let payload = value.payload
    guard payload.count <= Int(UInt32.max) - 8 else { return nil }
    var end = 0
    let offsets: [UInt32]? = Self.table(value.count) { table in
      for index in 0..<value.count {
        guard payload.count - end >= 8 else { return false }
        let length = UInt64(littleEndian: payload.loadUnaligned(fromByteOffset: end, as: UInt64.self))
        let start = end + 8
        guard length <= UInt64(payload.count - start) else { return false }
        table[index] = UInt32(truncatingIfNeeded: start)
        end = start + Int(length)
      }
      table[value.count] = UInt32(truncatingIfNeeded: end + 8)
      return true
    }
    guard let offsets, end == payload.count else { return nil }
    self.file = file
    self.start = payload.baseAddress?.assumingMemoryBound(to: UInt8.self)
    self.offsets = offsets
  }

  /// The number of strings.
  var count: Int { offsets.count - 1 }

  /// The bytes of the string at `index`, which must be in 0..<count. Valid as long as this array lives.
  subscript(index: Int) -> UnsafeBufferPointer<UInt8> {
    let begin = Int(offsets[index])
    return UnsafeBufferPointer(start: start.map { $0 + begin }, count: Int(offsets[index + 1]) - 8 - begin)
  }

  /// `count + 1` numbers that `fill` sets, or nil if it cannot.
  private static func table(
    _ count: Int, fill: (UnsafeMutableBufferPointer<UInt32>) -> Bool
  ) -> [UInt32]? {
    var isWhole = false
    let table = [UInt32](unsafeUninitializedCapacity: count + 1) { buffer, initialized in
      isWhole = fill(buffer)
      initialized = isWhole ? count + 1 : 0
    }
    return isWhole ? table : nil
  }
}
