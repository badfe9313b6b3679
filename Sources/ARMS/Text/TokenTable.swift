import Glibc

/// Token ids by the bytes of the token: a hash table with open addressing and linear probing, at most half full.
///
/// A slot points at the token's bytes where they lie (in the mapped model file), so that building the table
/// copies no text: it is one pass over the vocabulary and one allocation. The owner of the bytes must
/// outlive the table. Immutable after building, hence safe to share.
final class TokenTable: @unchecked Sendable {
  /// Where in a word a token stands. The vocabulary marks a `subword` by its prefix, which the table drops.
  enum Position: UInt16 {
    case wordStart = 0
    case subword = 1
  }

  /// What a lookup reads, without touching the table's reference count.
  let lookup: Lookup
  private let slots: UnsafeMutablePointer<Slot>

  fileprivate struct Slot {
    var bytes: UnsafePointer<UInt8>?  // nil: empty
    var id: Int32
    var length: UInt16
    var tag: UInt16  // 15 bits of the hash and the position
  }

  /// Makes an empty table for at most `capacity` tokens.
  init(capacity: Int) throws(ARMSError) {
    var size = 16
    while size / 2 < capacity { size *= 2 }
    guard let memory = calloc(size, MemoryLayout<Slot>.stride) else {
      throw ARMSError(.outOfMemory, "no memory for the hash table of \(capacity) tokens")
    }
    slots = memory.bindMemory(to: Slot.self, capacity: size)
    // A seed of its own keeps a crafted vocabulary from colliding on purpose.
    lookup = Lookup(slots: slots, mask: size - 1, seed: UInt64.random(in: .min ... .max))
  }

  deinit { free(slots) }

  /// Adds a token; one with the same bytes and position is replaced, so that the last one wins.
  func insert(_ bytes: UnsafePointer<UInt8>, _ length: Int, _ position: Position, id: Int32) {
    // Longer ones are longer than any word that is looked up.
    guard let length16 = UInt16(exactly: length) else { return }
    let hash = lookup.hash(bytes, length, position)
    let tag = Lookup.tag(hash, position)
    var index = Int(truncatingIfNeeded: hash) & lookup.mask
    while let present = slots[index].bytes {
      if slots[index].tag == tag, slots[index].length == length16, Lookup.equal(present, bytes, length) {
        break
      }
      index = (index &+ 1) & lookup.mask
    }
    slots[index] = Slot(bytes: bytes, id: id, length: length16, tag: tag)
  }

  /// Whether the bytes at `bytes` are those of `other`.
  @inline(__always)
  static func equal(_ bytes: UnsafePointer<UInt8>, _ other: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = other.baseAddress else { return true }
    return Lookup.equal(bytes, base, other.count)
  }

  /// A read-only view of the table's slots, valid while the table lives.
  struct Lookup {
    fileprivate let slots: UnsafeMutablePointer<Slot>
    fileprivate let mask: Int
    fileprivate let seed: UInt64

    /// The id of a token, or -1.
    @inline(__always)
    func id(_ bytes: UnsafePointer<UInt8>, _ length: Int, _ position: Position) -> Int32 {
      let hash = hash(bytes, length, position)
      let tag = Self.tag(hash, position)
      var index = Int(truncatingIfNeeded: hash) & mask
      while true {
        let slot = slots[index]
        guard let present = slot.bytes else { return -1 }
        if slot.tag == tag, Int(slot.length) == length, Self.equal(present, bytes, length) { return slot.id }
        index = (index &+ 1) & mask
      }
    }

    /// Multiply and fold, 8 bytes at a time; the last 8 may overlap those before.
    @inline(__always)
    fileprivate func hash(_ bytes: UnsafePointer<UInt8>, _ length: Int, _ position: Position) -> UInt64 {
      var state = seed ^ UInt64(truncatingIfNeeded: length &<< 1 | Int(position.rawValue))
      if length < 8 { return Self.mix(state ^ Self.loadShort(bytes, length)) }
      var index = 0
      while index &+ 8 < length {
        state = Self.mix(state ^ Self.load64(bytes + index))
        index &+= 8
      }
      return Self.mix(state ^ Self.load64(bytes + (length &- 8)))
    }

    @inline(__always)
    fileprivate static func equal(
      _ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, _ length: Int
    ) -> Bool {
      length < 8 ? loadShort(left, length) == loadShort(right, length) : memcmp(left, right, length) == 0
    }

    @inline(__always)
    fileprivate static func tag(_ hash: UInt64, _ position: Position) -> UInt16 {
      UInt16(truncatingIfNeeded: hash >> 48) & ~1 | position.rawValue
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
      let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
      return product.high ^ product.low
    }

    @inline(__always)
    private static func load64(_ bytes: UnsafePointer<UInt8>) -> UInt64 {
      UnsafeRawPointer(bytes).loadUnaligned(as: UInt64.self)
    }

    /// Fewer than 8 bytes as one number, a different one for each text of that length.
    @inline(__always)
    private static func loadShort(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> UInt64 {
      let raw = UnsafeRawPointer(bytes)
      if length >= 4 {
        let low = raw.loadUnaligned(as: UInt32.self)
        let high = raw.loadUnaligned(fromByteOffset: length &- 4, as: UInt32.self)
        return UInt64(low) | UInt64(high) << 32
      }
      if length == 0 { return 0 }
      return UInt64(bytes[0]) | UInt64(bytes[length >> 1]) << 8 | UInt64(bytes[length &- 1]) << 16
    }
  }
}
