import Testing

@testable import ARMS

@Suite struct SHA256Tests {
  static func digest(_ text: String, piece: Int = .max) -> String {
    var hash = SHA256()
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: min(piece, max(1, bytes.count))) {
      bytes[start..<min(bytes.count, start + min(piece, bytes.count))].withUnsafeBytes { hash.update($0) }
    }
    return hash.hexDigest()
  }

  /// The examples of FIPS 180-4 and RFC 6234.
  @Test(arguments: [
    ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      "a", 1_000_000,
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
    (
      "0123456701234567012345670123456701234567012345670123456701234567", 10,
      "594847328451bdfa85056225462cc1d867d877fb388df0ce35f25ab5562bfbb5"
    ),
  ])
  func agreesWithTheStandard(_ text: String, _ times: Int, _ expected: String) {
    #expect(Self.digest(String(repeating: text, count: times)) == expected)
  }

  @Test func takesAnyPieces() {
    for count in [1, 55, 56, 63, 64, 65, 119, 120, 128, 300] {
      let text = String((0..<count).map { Character(UnicodeScalar(UInt8(33 + $0 % 90))) })
      let whole = Self.digest(text)
      for piece in [1, 3, 63, 64, 65] { #expect(Self.digest(text, piece: piece) == whole) }
    }
  }

  @Test func delimitsTexts() {
    var (first, second) = (SHA256(), SHA256())
    for text in ["ab", "c"] { first.update(delimited: text) }
    for text in ["a", "bc"] { second.update(delimited: text) }
    #expect(first.hexDigest() != second.hexDigest())
  }
}
