/// SHA-256 (FIPS 180-4) of bytes that come in any pieces.
///
/// It names encoders, data sets and model files: two are taken for the same if their names are. A value; not safe
/// to share between threads while it is updated.
struct SHA256 {
  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  /// Bytes so far.
  private var count: UInt64 = 0
  /// The bytes behind the last whole block; fewer than one block.
  private var rest: [UInt8] = []

  private static let blockSize = 64

  /// Nothing hashed yet.
  init() { rest.reserveCapacity(Self.blockSize) }

  /// Takes more bytes.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    count &+= UInt64(bytes.count)
    var bytes = bytes[...]
    if !rest.isEmpty {
      let missing = bytes.prefix(Self.blockSize - rest.count)
      rest.append(contentsOf: missing)
      bytes = bytes.dropFirst(missing.count)
      guard rest.count == Self.blockSize else { return }
      let block = rest
      block.withUnsafeBytes { compress($0) }
      rest.removeAll(keepingCapacity: true)
    }
    let whole = bytes.count / Self.blockSize * Self.blockSize
    compress(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)))
    rest.append(contentsOf: bytes.dropFirst(whole))
  }

  /// Takes the UTF-8 of a text.
  mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }

  /// Takes a number, little-endian.
  mutating func update(_ number: some FixedWidthInteger) {
    withUnsafeBytes(of: number.littleEndian) { update($0) }
  }

  /// Takes a text behind its length, so that what follows cannot be taken for a part of it.
  mutating func update(delimited text: String) {
    update(UInt64(text.utf8.count))
    update(text)
  }

  /// Takes floats, little-endian as this machine's.
  mutating func update(_ values: UnsafePointer<Float>, count: Int) {
    update(UnsafeRawBufferPointer(UnsafeBufferPointer(start: values, count: count)))
  }

  /// The digest of the bytes so far, in 64 lower-case hexadecimal digits.
  func hexDigest() -> String {
    var copy = self
    var padding: [UInt8] = [0x80]
    let zeros = (119 - rest.count) % Self.blockSize
    padding += [UInt8](repeating: 0, count: zeros)
    withUnsafeBytes(of: (count &* 8).bigEndian) { padding += $0 }
    padding.withUnsafeBytes { copy.update($0) }
    let digits = Array("0123456789abcdef".utf8)
    let bytes = copy.state.flatMap { word in
      (0..<8).map { digits[Int(word >> (28 - 4 * UInt32($0)) & 15)] }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Takes whole blocks.
  private mutating func compress(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    state.withUnsafeMutableBufferPointer { state in
      Self.roundConstants.withUnsafeBufferPointer { constants in
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
          for start in stride(from: 0, to: bytes.count, by: Self.blockSize) {
            Self.compress(bytes, from: start, into: state, schedule, constants)
          }
        }
      }
    }
  }

  private static func compress(
    _ bytes: UnsafeRawBufferPointer, from start: Int, into state: UnsafeMutableBufferPointer<UInt32>,
    _ w: UnsafeMutableBufferPointer<UInt32>, _ k: UnsafeBufferPointer<UInt32>
  ) {
    func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x &>> n | x &<< (32 &- n) }
    for index in 0..<16 {
      w[index] = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: start &+ 4 &* index, as: UInt32.self))
    }
    for index in 16..<64 {
      let (early, late) = (w[index &- 15], w[index &- 2])
      let first = rotate(early, 7) ^ rotate(early, 18) ^ early &>> 3
      let second = rotate(late, 17) ^ rotate(late, 19) ^ late &>> 10
      w[index] = w[index &- 16] &+ first &+ w[index &- 7] &+ second
    }
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for index in 0..<64 {
      let choice = e & f ^ ~e & g
      let first = h &+ (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) &+ choice &+ k[index] &+ w[index]
      let majority = a & b ^ a & c ^ b & c
      let second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) &+ majority
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ second)
    }
    let sums = (a, b, c, d, e, f, g, h)
    withUnsafeBytes(of: sums) { sums in
      for index in 0..<8 { state[index] &+= sums.load(fromByteOffset: 4 * index, as: UInt32.self) }
    }
  }

  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  private static let roundConstants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
  ]
}
