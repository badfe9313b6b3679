extension Orientation {
  private static let tag: UInt16 = 0x0112

  /// The orientation that the EXIF of a JPEG (APP1) or PNG (eXIf) gives, else its XMP; upright when there is none or
  /// when the metadata is malformed.
  ///
  /// That is where cameras and editors put it, and what Pillow finds there. Pillow also reads what some old programs
  /// write, which is passed over here: in a PNG EXIF as text ("Raw profile type exif"), XMP that is compressed or
  /// in a tEXt chunk, and in TIFF values of types other than the integers of 16 and 32 bits.
  init(ofFile data: UnsafeRawBufferPointer, format: ImageFormat) {
    let exif: ByteReader?
    let xmp: ByteReader?
    switch format {
    case .jpeg:
      exif = Self.app1(of: data, after: "Exif\0\0")
      xmp = Self.app1(of: data, after: "http://ns.adobe.com/xap/1.0/\0")
    case .png:
      exif = Self.chunk("eXIf", of: data, after: "")
      xmp = Self.chunk("iTXt", of: data, after: "XML:com.adobe.xmp\0\0")
    }
    self = exif.flatMap(Self.inTIFF) ?? xmp.flatMap(Self.inXMP) ?? .upright
  }

  /// The rest of the first APP1 segment before a JPEG's image data that begins with `prefix`.
  private static func app1(of data: UnsafeRawBufferPointer, after prefix: String) -> ByteReader? {
    let reader = ByteReader(data, bigEndian: true)
    var position = 2
    while let marker = reader.u16(at: position) {
      let code = marker & 0xFF
      // What is no marker, FF 00 for one, is passed over, as libjpeg does, and so are bytes FF that fill.
      guard marker >> 8 == 0xFF, code != 0, code != 0xFF else {
        position += 1
        continue
      }
      if code == 0x01 || (0xD0...0xD7).contains(code) {
        position += 2  // TEM and RSTn have no length
        continue
      }
      // Start of scan or end of image: no metadata follows that counts.
      guard code != 0xDA, code != 0xD9, let length = reader.u16(at: position + 2), length >= 2 else {
        return nil
      }
      if code == 0xE1, let body = reader.slice(position + 4, Int(length) - 2)?.rest(after: prefix) {
        return body
      }
      position += 2 + Int(length)
    }
    return nil
  }

  /// The rest of the first chunk of a PNG of that type, before or after the image data, that begins with
  /// `prefix`.
  private static func chunk(_ type: String, of data: UnsafeRawBufferPointer, after prefix: String)
    -> ByteReader?
  {
    let reader = ByteReader(data, bigEndian: true)
    var position = 8
    while let length = reader.u32(at: position), let found = reader.slice(position + 4, 4) {
      if found.starts(with: type), let body = reader.slice(position + 8, Int(length))?.rest(after: prefix) {
        return body
      }
      position += 12 + Int(length)
    }
    return nil
  }

  /// The digit of the first `tiff:Orientation="6"` or `<tiff:Orientation>6` in a text.
  private static func inXMP(_ text: ByteReader) -> Orientation? {
    for form in ["tiff:Orientation=\"", "tiff:Orientation>"] {
      if let digit = text.byte(afterFirst: form), (0x30...0x39).contains(digit) {
        return Orientation(rawValue: UInt16(digit - 0x30))
      }
    }
    return nil
  }

  /// The Orientation in the first directory of a TIFF structure; upright if its value is none.
  private static func inTIFF(_ body: ByteReader) -> Orientation? {
    // Some writers repeat the JPEG prefix.
    var tiff = body.rest(after: "Exif\0\0") ?? body
    guard tiff.starts(with: "II*\0") || tiff.starts(with: "MM\0*") else { return nil }
    tiff.bigEndian = tiff.starts(with: "MM")
    guard let directory = tiff.u32(at: 4), let count = tiff.u16(at: Int(directory)) else { return nil }
    for index in 0..<Int(count) {
      let entry = Int(directory) + 2 + 12 * index
      guard let tag = tiff.u16(at: entry) else { return nil }
      if tag == Self.tag { return value(of: entry, in: tiff) ?? .upright }
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

  func starts(with text: String) -> Bool { data.starts(with: text.utf8) }

  /// What follows `prefix`, if the data begins with it.
  func rest(after prefix: String) -> ByteReader? {
    starts(with: prefix) ? slice(prefix.utf8.count, data.count - prefix.utf8.count) : nil
  }

  /// The byte behind the first occurrence of `text`.
  func byte(afterFirst text: String) -> UInt8? {
    let text = Array(text.utf8)
    guard data.count > text.count else { return nil }
    for start in 0..<(data.count - text.count) where data[start] == text[0] {
      if data[start..<start + text.count].elementsEqual(text) { return data[start + text.count] }
    }
    return nil
  }

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
