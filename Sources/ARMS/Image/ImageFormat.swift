/// The format of an encoded image, told from its first bytes.
enum ImageFormat: Sendable {
  case jpeg
  case png

  private static let pngSignature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  private static let jpegSignature: [UInt8] = [0xFF, 0xD8, 0xFF]

  /// Throws `invalidImage`, with the name of the format found, for anything but JPEG and PNG.
  init(of data: UnsafeRawBufferPointer, name: String) throws(ARMSError) {
    guard !data.isEmpty else {
      throw ARMSError(.invalidImage, "\(name) is empty; JPEG and PNG are accepted")
    }
    if data.starts(with: Self.jpegSignature) {
      self = .jpeg
    } else if data.starts(with: Self.pngSignature) {
      self = .png
    } else if Self.pngSignature.starts(with: data) || Self.jpegSignature.starts(with: data) {
      throw ARMSError(.invalidImage, "\(name) is truncated: it ends after \(data.count) bytes")
    } else {
      throw ARMSError(.invalidImage, "\(name) is \(Self.foreign(data)); JPEG and PNG are accepted")
    }
  }

  /// The name of a format that is not read here.
  private static func foreign(_ data: UnsafeRawBufferPointer) -> String {
    func has(_ text: String, at offset: Int = 0) -> Bool {
      data.dropFirst(offset).starts(with: text.utf8)
    }
    if has("GIF8") { return "a GIF file" }
    if has("RIFF") && has("WEBP", at: 8) { return "a WebP file" }
    if has("BM") { return "a BMP file" }
    if has("II*\0") || has("MM\0*") { return "a TIFF file" }
    if has("ftypavi", at: 4) { return "an AVIF file" }
    if has("ftyphei", at: 4) || has("ftyphev", at: 4) || has("ftypmif1", at: 4) { return "a HEIF file" }
    if has("ftyp", at: 4) { return "an MPEG-4 file" }
    if has("\0\0\0\u{0C}jP  ") { return "a JPEG 2000 file" }
    if has("\0\0\0\u{0C}JXL ") || data.starts(with: [0xFF, 0x0A]) { return "a JPEG XL file" }
    if has("%PDF") { return "a PDF file" }
    if has("<svg") || has("<?xml") { return "an SVG or XML file" }
    return "of an unknown format"
  }
}
