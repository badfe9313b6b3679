extension Orientation {
  private static let tag: UInt16 = 0x0112

  /// The orientation that a JPEG's APP1 segment or a PNG's eXIf chunk gives; upright when there is none
  /// or when the metadata is malformed.
  init(ofFile data: UnsafeRawBufferPointer, format: ImageFormat) {
    let exif = format == .png ? Self.exifOfPNG(data) : Self.exifOfJPEG(data)
    self = exif.flatMap(Self.inTIFF) ?? .upright
  }

  /// The TIFF structure of the first EXIF segment before the image data.
  private static func exifOfJPEG(_ data: UnsafeRawBufferPointer) -> ByteReader? {
    let reader = ByteReader(data, bigEndian: true)
    var position = 2
    while let marker = reader.u16(at: position), marker >> 8 == 0xFF {
      let code = marker & 0xFF
      if code == 0xFF {
        position += 1  // a fill byte
        continue
      }
      // Start of scan or end of image: no metadata follows that counts.
      guard code != 0xDA, code != 0xD9, let length = reader.u16(at: position + 2), length >= 2 else { return nil }
      let body = reader.slice(position + 4, Int(length) - 2)
      if code == 0xE1, let body, body.starts(with: "Exif\0\0") { return body.slice(6, body.count - 6) }
      position += 2 + Int(length)
    }
    return nil
  }

  /// The body of the first eXIf chunk, before or after the image data.
  private static func exifOfPNG(_ data: UnsafeRawBufferPointer) -> ByteReader? {
    let reader = ByteReader(data, bigEndian: true)
    var position = 8
    while let length = reader.u32(at: position), let type = reader.slice(position + 4, 4) {
      if type.starts(with: "IEND") { return nil }
      if type.starts(with: "eXIf") { return reader.slice(position + 8, Int(length)) }
      position += 12 + Int(length)
    }
    return nil
  }

  /// The Orientation in the first directory of a TIFF structure.
  private static func inTIFF(_ body: ByteReader) -> Orientation? {
    // Some writers repeat the JPEG prefix.
    let tiff = body.starts(with: "Exif\0\0") ? body.slice(6, body.count - 6) : body
    guard var tiff, tiff.starts(with: "II*\0") || tiff.starts(with: "MM\0*") else { return nil }
    tiff.bigEndian = tiff.starts(with: "MM")
    guard let directory = tiff.u32(at: 4), let count = tiff.u16(at: Int(directory)) else { return nil }
    for index in 0..<Int(count) {
      let entry = Int(directory) + 2 + 12 * index
      guard let tag = tiff.u16(at: entry) else { return nil }
      if tag == Self.tag { return value(of: entry, in: tiff) }
    }
    return nil
  }

  /// The value of a directory entry of one SHORT (3) or LONG (4), signed (8, 9) or not.
  private static func value(of entry: Int, in tiff: ByteReader) -> Orientation? {
    guard tiff.u32(at: entry + 4) == 1, let type = tiff.u16(at: entry + 2) else { return nil }
    let value: UInt32?
    switch type {
    case 3, 8: value = tiff.u16(at: entry + 8).map(UInt32.init)
    case 4, 9: value = tiff.u32(at: entry + 8)
    default: value = nil
    }
    return value.flatMap { UInt16(exactly: $0) }.flatMap { Orientation(rawValue: $0) }
  }
}

/// Integers of a byte order at offsets that are checked. Offsets are sums of a few 32-bit numbers and
/// of positions in memory, which do not overflow a 64-bit `Int`.
private struct ByteReader {
  private let data: UnsafeRawBufferPointer
  var bigEndian: Bool

  init(_ data: UnsafeRawBufferPointer, bigEndian: Bool) {
    self.data = data
    self.bigEndian = bigEndian
  }

  var count: Int { data.count }

  func starts(with text: String) -> Bool { data.starts(with: text.utf8) }

  func slice(_ offset: Int, _ length: Int) -> ByteReader? {
    guard offset >= 0, length >= 0, offset <= data.count, length <= data.count - offset else { return nil }
    return ByteReader(UnsafeRawBufferPointer(rebasing: data[offset..<offset + length]), bigEndian: bigEndian)
  }

  func u16(at offset: Int) -> UInt16? { load(UInt16.self, offset) }

  func u32(at offset: Int) -> UInt32? { load(UInt32.self, offset) }

  private func load<T: FixedWidthInteger>(_ type: T.Type, _ offset: Int) -> T? {
    guard let bytes = slice(offset, T.bitWidth / 8) else { return nil }
    let value = bytes.data.loadUnaligned(as: type)
    return bigEndian ? T(bigEndian: value) : T(littleEndian: value)
  }
}
