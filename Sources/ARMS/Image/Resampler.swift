import CImageCodec

/// The two passes of a separable resampling: along the rows while they are read, then along the columns.
///
/// Between the passes the pixels are rounded to 8 bits, as Pillow's are. Only the source rows that the
/// crop needs are kept, and of these only the crop's columns.
struct Resampler {
  private let columns: BicubicFilter
  private let rows: BicubicFilter

  init(columns: BicubicFilter, rows: BicubicFilter) {
    self.columns = columns
    self.rows = rows
  }

  /// Reads all of `source` and gives each output row, of interleaved 1 or 3 channels, to `write` with
  /// its number.
  func run<Rows: PixelRows & ~Copyable>(
    _ source: inout Rows, write: (_ row: UnsafePointer<UInt8>, _ y: Int) -> Void
  ) throws(ARMSError) {
    let width = columns.starts.count * min(source.channels, 3)
    let kept = try ByteBuffer(rows.span.count, times: width)
    try resampleColumns(of: &source, into: kept.pointer, width: width)

    let row = try ByteBuffer(count: width)
    rows.coefficients.withUnsafeBufferPointer { coefficients in
      for (y, start) in rows.starts.enumerated() {
        let first = kept.pointer + (start - rows.span.lowerBound) * width
        let taps = coefficients.baseAddress.unsafelyUnwrapped + y * rows.taps
        cic_resample_rows(first, width, taps, rows.taps, width, row.pointer)
        write(UnsafePointer(row.pointer), y)
      }
    }
  }

  private func resampleColumns<Rows: PixelRows & ~Copyable>(
    of source: inout Rows, into kept: UnsafeMutablePointer<UInt8>, width: Int
  ) throws(ARMSError) {
    let channels = source.channels
    let groups = ColumnGroups(columns, channels: channels)
    // The kernel reads whole groups, up to one beyond the end of a row.
    let stride = source.width * channels + Int(CIC_GROUP)
    let stripRows = min(Int(CIC_STRIP), source.height)
    let strip = try ByteBuffer(stripRows, times: stride)
    strip.bytes.initializeMemory(as: UInt8.self, repeating: 0)

    try source.skip(rows.span.lowerBound, through: strip.pointer)
    var y = 0
    while y < rows.span.count {
      let count = min(stripRows, rows.span.count - y)
      try source.read(count, into: strip.pointer, stride: stride)
      cic_resample_columns(
        strip.pointer, stride, count, groups.coefficients, groups.offsets, groups.offsets.count, groups.count,
        channels, kept + y * width, width)
      y += count
    }
    try source.skip(source.height - rows.span.upperBound, through: strip.pointer)
  }
}

/// A filter's coefficients as the horizontal kernel wants them: by byte instead of by pixel.
private struct ColumnGroups {
  /// [columns, count, CIC_GROUP]; each tap once a channel, 0 after the last tap.
  let coefficients: [Int32]
  /// The first byte of each column's window.
  let offsets: [Int]
  /// Groups of a column.
  let count: Int

  init(_ filter: BicubicFilter, channels: Int) {
    let size = Int(CIC_GROUP)
    let bytes = filter.taps * channels
    let count = (bytes + size - 1) / size
    self.count = count
    offsets = filter.starts.map { $0 * channels }
    var coefficients = [Int32](repeating: 0, count: filter.starts.count * count * size)
    for column in 0..<filter.starts.count {
      for byte in 0..<bytes {
        coefficients[column * count * size + byte] = filter.coefficients[column * filter.taps + byte / channels]
      }
    }
    self.coefficients = coefficients
  }
}
