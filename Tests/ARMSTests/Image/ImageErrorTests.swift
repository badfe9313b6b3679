import Testing

@testable import ARMS

/// Knuth's generator: the same damage in every run.
private struct LinearCongruential: RandomNumberGenerator {
  private var state: UInt64 = 1

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return (state >> 32) | (state << 32)
  }
}

@Suite struct ImageErrorTests {
  @Test(arguments: [
    ("GIF89a......", "GIF"), ("RIFF....WEBPVP8 ", "WebP"), ("BM..........", "BMP"), ("II*\0........", "TIFF"),
    ("....ftypavif", "AVIF"), ("....ftypheic", "HEIF"), ("%PDF-1.7....", "PDF"), ("hello, world", "unknown"),
  ])
  func namesTheFormatFoundAndThoseAccepted(text: String, format: String) throws {
    let error = try #require(ImageFixtures.error(encoded: Array(text.utf8)))
    #expect(error.code == .invalidImage)
    #expect(error.message.contains(format))
    #expect(error.message.contains("JPEG and PNG are accepted"))
  }

  @Test func refusesNothing() throws {
    let error = try #require(ImageFixtures.error(encoded: []))
    #expect(error.code == .invalidImage)
    #expect(error.message.contains("empty"))
  }

  @Test(arguments: [
    "jpeg_420.jpg", "jpeg_progressive.jpg", "jpeg_cmyk.jpg", "png_rgb_8.png", "png_rgb_8_interlaced.png",
  ])
  func saysThatAFileIsTruncated(name: String) throws {
    let bytes = try ImageFixtures.bytes(name)
    for count in [1, 3, 7, bytes.count / 4, bytes.count / 2, bytes.count * 3 / 4] {
      let error = try #require(
        ImageFixtures.error(encoded: Array(bytes[..<count])), "\(count) bytes of \(name)")
      #expect(error.code == .invalidImage)
      #expect(error.message.contains("truncated"), "\(count) bytes of \(name)")
    }
  }

  /// Damage may or may not show; it must never do anything but throw an `ARMSError`.
  @Test func survivesFlippedBits() throws {
    var random = LinearCongruential()
    for name in [
      "jpeg_420.jpg", "jpeg_progressive.jpg", "jpeg_ycck.jpg", "jpeg_orientation_6.jpg",
      "png_palette_4_alpha.png",
      "png_rgb_alpha_16.png", "png_gray_1_interlaced.png", "png_orientation_5.png",
    ] {
      let bytes = try ImageFixtures.bytes(name)
      for _ in 0..<100 {
        var damaged = bytes
        for _ in 0..<3 {
          damaged[Int.random(in: 2..<damaged.count, using: &random)] ^=
            1 << UInt8.random(in: 0..<8, using: &random)
        }
        if let error = ImageFixtures.error(encoded: damaged) { #expect(!error.message.isEmpty) }
      }
    }
  }

  @Test func aDamagedPNGIsNamedSo() throws {
    var bytes = try ImageFixtures.bytes("png_rgb_8.png")
    bytes[bytes.count / 2] ^= 0xFF
    let error = try #require(ImageFixtures.error(encoded: bytes))
    #expect(error.code == .invalidImage)
    #expect(error.message.contains("damaged PNG"))
  }

  @Test func refusesBombs() throws {
    let pixels = try #require(ImageFixtures.error(encoded: ImageFixtures.bytes("refused_bomb.png")))
    #expect(pixels.code == .limitExceeded)
    #expect(pixels.message.contains("100000 x 100000"))
    let scans = try #require(ImageFixtures.error(encoded: ImageFixtures.bytes("refused_scans.jpg")))
    #expect(scans.code == .limitExceeded)
    #expect(scans.message.contains("scans"))
  }

  /// A PNG's header, which is all that is read of one that is refused.
  private func png(width: UInt32, height: UInt32) -> [UInt8] {
    func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    let header = Array("IHDR".utf8) + bigEndian(width) + bigEndian(height) + [16, 6, 0, 0, 0]
    var crc = UInt32.max
    for byte in header {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
    }
    let empty: [UInt8] = [0, 0, 0, 0] + Array("IDAT".utf8) + [0x35, 0xAF, 0x06, 0x1E]
    return [0x89] + Array("PNG\r\n\u{1A}\n".utf8) + bigEndian(13) + header + bigEndian(~crc) + empty
  }

  /// A row of a hundred million pixels would take gigabytes in libpng, and some megabytes of file.
  @Test func refusesAPNGOfTooManyColumns() throws {
    let unlimited = ImageLimits(maxBytes: .max, maxPixels: .max)
    for width in [1_000_001, 100_000_000, UInt32(Int32.max)] {
      let error = try #require(ImageFixtures.error(encoded: png(width: width, height: 1), limits: unlimited))
      #expect(error.code == .limitExceeded)
      #expect(error.message.contains("columns than the limit of 1000000"))
    }
    for (width, height) in [(1_000_000, 1), (1, 1_000_001)] as [(UInt32, UInt32)] {
      let error = try #require(
        ImageFixtures.error(encoded: png(width: width, height: height), limits: unlimited))
      #expect(error.code == .invalidImage && error.message.contains("truncated"))
    }
  }

  @Test func limitsBytesAndPixels() throws {
    let bytes = try ImageFixtures.bytes("jpeg_420.jpg")
    let fits = ImageLimits(maxBytes: bytes.count, maxPixels: 45 * 30)
    #expect(ImageFixtures.error(encoded: bytes, limits: fits) == nil)
    let fewerBytes = ImageLimits(maxBytes: bytes.count - 1, maxPixels: 45 * 30)
    #expect(ImageFixtures.error(encoded: bytes, limits: fewerBytes)?.code == .limitExceeded)
    let fewerPixels = ImageLimits(maxBytes: bytes.count, maxPixels: 45 * 30 - 1)
    #expect(ImageFixtures.error(encoded: bytes, limits: fewerPixels)?.code == .limitExceeded)
  }

  @Test func ignoresMalformedEXIF() throws {
    let bytes = try ImageFixtures.bytes("jpeg_420.jpg")
    let upright = try ImageFixtures.levels(encoded: bytes)
    let tiff: [UInt8] = [0x4D, 0x4D, 0, 42]
    let bodies: [[UInt8]] = [
      [], tiff, tiff + [0xFF, 0xFF, 0xFF, 0xFF], tiff + [0, 0, 0, 8], tiff + [0, 0, 0, 8, 0xFF, 0xFF],
      // One entry: another type, a count of 2, a value of 9, and a value cut off.
      tiff + [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 2, 0, 0, 0, 1, 0, 6, 0, 0],
      tiff + [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 2, 0, 6, 0, 0],
      tiff + [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 9, 0, 0],
      tiff + [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1],
    ]
    for body in bodies {
      let segment = Array("Exif\0\0".utf8) + body
      let marker = [0xFF, 0xE1, 0, UInt8(segment.count + 2)] + segment
      #expect(try ImageFixtures.levels(encoded: Array(bytes[..<2]) + marker + bytes[2...]) == upright)
    }
    let turned = Array("Exif\0\0".utf8) + tiff + [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]
    let marker = [0xFF, 0xE1, 0, UInt8(turned.count + 2)] + turned
    let levels = try ImageFixtures.levels(encoded: Array(bytes[..<2]) + marker + bytes[2...])
    #expect(levels != upright)
    // libjpeg passes over what is between segments, and so does Pillow: here behind the first one, JFIF's of 18 bytes.
    let junks: [[UInt8]] = [[0], [7, 7], [0xFF], [0xFF, 0], [0xFF, 0, 0xFF], [1, 0xFF], [0xFF, 0xD3]]
    for junk in junks {
      #expect(
        try ImageFixtures.levels(encoded: Array(bytes[..<20]) + junk + marker + bytes[20...]) == levels,
        "\(junk)")
    }
  }
}
