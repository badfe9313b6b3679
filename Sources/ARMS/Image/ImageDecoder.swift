import CImageCodec

/// A JPEG or PNG file that is being decoded.
struct ImageDecoder: PixelRows, ~Copyable {
  private(set) var width: Int
  private(set) var height: Int
  private(set) var channels = 0
  /// Decoded pixels a pixel of the file, along each axis.
  private(set) var scale = 1.0
  /// How the decoded pixels are to be turned.
  let orientation: Orientation
  private let codec: Codec

  /// Reads the header: `width` and `height` are those of the file. `data` must outlive the decoder.
  ///
  /// Throws `invalidImage` for what is no JPEG or PNG, and `limitExceeded`.
  init(_ data: UnsafeRawBufferPointer, name: String, limits: ImageLimits) throws(ARMSError) {
    try limits.check(bytes: data.count, of: name)
    let codec = try Codec(data, format: ImageFormat(of: data, name: name), name: name)
    var columns: UInt32 = 0
    var rows: UInt32 = 0
    try codec.check(cic_read_header(codec.decoder, &columns, &rows))
    guard columns > 0, rows > 0 else {
      throw ARMSError(.invalidImage, "\(name) has no pixels: it is \(columns) x \(rows)")
    }
    try limits.check(width: Int(columns), height: Int(rows), of: name)
    width = Int(columns)
    height = Int(rows)
    orientation = Orientation(ofFile: data, format: codec.format)
    self.codec = codec
  }

  /// Starts decoding; `width` and `height` become those of the rows to read. A JPEG is decoded at the
  /// smallest of 1/8, 1/4, 1/2 and 1 that leaves its shorter side at least `shortest` pixels.
  ///
  /// Other eighths exist, but libjpeg-turbo has no SIMD for them, and they cost more than they save.
  mutating func start(shortest: Int) throws(ARMSError) {
    let side = min(width, height)
    let eighths = codec.format == .jpeg ? [1, 2, 4].first { side * $0 / 8 >= shortest } ?? 8 : 8
    var columns: UInt32 = 0
    var rows: UInt32 = 0
    var bytes: UInt32 = 0
    try codec.check(cic_start(codec.decoder, UInt32(eighths), &columns, &rows, &bytes))
    width = Int(columns)
    height = Int(rows)
    channels = Int(bytes)
    scale = Double(eighths) / 8
  }

  mutating func narrow(to columns: Range<Int>) throws(ARMSError) -> Int {
    var first = UInt32(columns.lowerBound)
    var count = UInt32(columns.count)
    try codec.check(cic_narrow(codec.decoder, &first, &count))
    width = Int(count)
    return Int(first)
  }

  mutating func read(_ count: Int, into rows: UnsafeMutablePointer<UInt8>, stride: Int) throws(ARMSError) {
    try codec.check(cic_read_rows(codec.decoder, rows, stride, count))
  }

  /// Skipped rows are decoded like the others, so that a truncated file is one whatever is cropped.
  mutating func skip(_ count: Int, through scratch: UnsafeMutablePointer<UInt8>) throws(ARMSError) {
    try codec.check(cic_read_rows(codec.decoder, scratch, 0, count))
  }
}

/// Owns the C decoder, and words its errors.
private struct Codec: ~Copyable {
  let decoder: OpaquePointer
  let format: ImageFormat
  private let name: String

  init(_ data: UnsafeRawBufferPointer, format: ImageFormat, name: String) throws(ARMSError) {
    let bytes = data.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard let decoder = cic_open(format == .png ? CIC_PNG : CIC_JPEG, bytes, data.count) else {
      throw ARMSError(.outOfMemory, "\(name): memory for a decoder could not be had")
    }
    self.decoder = decoder
    self.format = format
    self.name = name
  }

  deinit { cic_close(decoder) }

  func check(_ status: cic_status) throws(ARMSError) {
    switch status {
    case CIC_OK: return
    case CIC_TRUNCATED:
      throw ARMSError(
        .invalidImage, "\(name) is truncated: its data ends before its last row; send the whole file")
    case CIC_OUT_OF_MEMORY:
      throw ARMSError(.outOfMemory, "\(name): memory to decode it could not be had")
    case CIC_TOO_MANY_SCANS:
      throw ARMSError(
        .limitExceeded, "\(name) is a JPEG of more than \(CIC_MAX_SCANS) scans; save it with fewer")
    case CIC_TOO_WIDE:
      throw ARMSError(
        .limitExceeded,
        "\(name) is a PNG of more columns than the limit of \(CIC_MAX_COLUMNS); send a narrower image")
    default:
      let kind = format == .png ? "PNG" : "JPEG"
      throw ARMSError(
        .invalidImage, "\(name) is a damaged \(kind) file: \(String(cString: cic_message(decoder)))")
    }
  }
}
