import CKernels

/// The two passes of a separable resampling, which computes only what the crop keeps.
///
/// Between the passes the pixels are rounded to 8 bits, as Pillow's are, so that the order of the passes
/// shows in the result and is Pillow's as well.
struct Resampler {
  private let columns: BicubicFilter
  private let rows: BicubicFilter
  private let verticalFirst: Bool
  private let arena: ScratchArena
  private let kernels = ck_kernels_best().pointee

  /// Resamples with `columns` along the rows and with `rows` along the columns, in scratch memory of `arena`.
  init(columns: BicubicFilter, rows: BicubicFilter, verticalFirst: Bool, in arena: ScratchArena) {
    self.columns = columns
    self.rows = rows
    self.verticalFirst = verticalFirst
    self.arena = arena
  }

  /// Whether Pillow (since 13) runs the vertical pass first: it does when the height shrinks by more
  /// than twice the pixels that the width loses.
  static func startsVertically(from source: (width: Int, height: Int), to target: (width: Int, height: Int))
    -> Bool
  {
    target.height < source.height && source.height - target.height > 2 * (source.width - target.width)
  }

  /// Reads all of `source` and gives each output row, of interleaved 1 or 3 channels, to `write` with
  /// its number.
  func run<Rows: PixelRows & ~Copyable>(
    _ source: inout Rows, write: (_ row: UnsafePointer<UInt8>, _ y: Int) -> Void
  ) throws(ARMSError) {
    let firstColumn = try source.narrow(to: columns.span)
    let pass = try HorizontalPass(
      columns, firstColumn: firstColumn, channels: source.channels, kernels, in: arena)
    if verticalFirst {
      try runVerticalFirst(&source, pass, write: write)
    } else {
      try runHorizontalFirst(&source, pass, write: write)
    }
  }

  /// Bytes of an output row.
  private func outputWidth(channels: Int) -> Int { columns.starts.count * min(channels, 3) }

  /// Resamples the rows as they are read, and keeps the few bytes that remain of each.
  private func runHorizontalFirst<Rows: PixelRows & ~Copyable>(
    _ source: inout Rows, _ pass: HorizontalPass, write: (_ row: UnsafePointer<UInt8>, _ y: Int) -> Void
  ) throws(ARMSError) {
    let width = outputWidth(channels: source.channels)
    let strip = try pass.strip(rows: min(ck_resample_strip, source.height), of: source.width, in: arena)
    defer { extendLifetime(strip) }
    let kept = try ByteBuffer(rows.span.count, times: width, in: arena)
    defer { extendLifetime(kept) }
    try source.skip(rows.span.lowerBound, through: strip.pointer)
    for y in stride(from: 0, to: rows.span.count, by: ck_resample_strip) {
      let count = min(ck_resample_strip, rows.span.count - y)
      try source.read(count, into: strip.pointer, stride: pass.stride(of: source.width))
      pass.run(strip.pointer, of: source.width, count: count, into: kept.pointer + y * width)
    }
    try source.skip(source.height - rows.span.upperBound, through: strip.pointer)

    let output = try ByteBuffer(1, times: width, in: arena)
    defer { extendLifetime(output) }
    for y in 0..<rows.starts.count {
      resampleRows(kept.pointer, stride: width, width: width, output: y, into: output.pointer)
      write(UnsafePointer(output.pointer), y)
    }
  }

  /// Keeps the source rows that the crop needs, as long as they are.
  private func runVerticalFirst<Rows: PixelRows & ~Copyable>(
    _ source: inout Rows, _ pass: HorizontalPass, write: (_ row: UnsafePointer<UInt8>, _ y: Int) -> Void
  ) throws(ARMSError) {
    let width = outputWidth(channels: source.channels)
    let rowBytes = source.width * source.channels
    let strip = try pass.strip(rows: ck_resample_strip, of: source.width, in: arena)
    defer { extendLifetime(strip) }
    let stripStride = pass.stride(of: source.width)
    let kept = try ByteBuffer(rows.span.count, times: rowBytes, in: arena)
    defer { extendLifetime(kept) }
    try source.skip(rows.span.lowerBound, through: strip.pointer)
    try source.read(rows.span.count, into: kept.pointer, stride: rowBytes)
    try source.skip(source.height - rows.span.upperBound, through: strip.pointer)

    let output = try ByteBuffer(ck_resample_strip, times: width, in: arena)
    defer { extendLifetime(output) }
    for y in stride(from: 0, to: rows.starts.count, by: ck_resample_strip) {
      let count = min(ck_resample_strip, rows.starts.count - y)
      for row in 0..<count {
        let target = strip.pointer + row * stripStride
        resampleRows(kept.pointer, stride: rowBytes, width: rowBytes, output: y + row, into: target)
      }
      pass.run(strip.pointer, of: source.width, count: count, into: output.pointer)
      for row in 0..<count { write(UnsafePointer(output.pointer + row * width), y + row) }
    }
  }

  /// Computes row `output` of the vertical pass from `kept`, whose first row is the first of the span.
  private func resampleRows(
    _ kept: UnsafePointer<UInt8>, stride: Int, width: Int, output: Int, into row: UnsafeMutablePointer<UInt8>
  ) {
    let first = kept + (rows.starts[output] - rows.span.lowerBound) * stride
    guard let coefficients = rows.coefficients.baseAddress else { return }
    kernels.resample_row(first, stride, coefficients + output * rows.taps, rows.taps, width, row)
  }
}

/// The horizontal pass: a filter as the kernel wants it, with coefficients by byte instead of by pixel.
private struct HorizontalPass {
  private let channels: Int
  /// [columns, groups, ck_resample_group]; each tap once a channel, 0 after the last tap.
  private let coefficients: UnsafePointer<Int32>
  /// The first byte of each column's window.
  private let offsets: UnsafePointer<Int>
  private let count: Int
  private let groups: Int
  private let kernels: ck_kernels

  /// A pass over rows that begin with `firstColumn` of the image. What it reads lies in `arena`.
  init(
    _ filter: BicubicFilter, firstColumn: Int, channels: Int, _ kernels: ck_kernels, in arena: ScratchArena
  ) throws(ARMSError) {
    let bytes = filter.taps * channels
    let groups = (bytes + ck_resample_group - 1) / ck_resample_group
    let padded = groups * ck_resample_group
    let count = filter.starts.count
    let coefficients = try arena.allocate(Int32.self, count * padded)
    let offsets = try arena.allocate(Int.self, count)
    coefficients.update(repeating: 0, count: count * padded)
    for column in 0..<count {
      offsets[column] = (filter.starts[column] - firstColumn) * channels
      for byte in 0..<bytes {
        coefficients[column * padded + byte] = filter.coefficients[column * filter.taps + byte / channels]
      }
    }
    self.channels = channels
    self.kernels = kernels
    self.coefficients = UnsafePointer(coefficients)
    self.offsets = UnsafePointer(offsets)
    self.count = count
    self.groups = groups
  }

  /// Bytes from row to row of a strip: the kernel reads whole groups, up to one beyond a row's end.
  func stride(of width: Int) -> Int { width * channels + ck_resample_group }

  /// Memory for `rows` rows of `width` pixels, and what the kernel reads behind them.
  func strip(rows: Int, of width: Int, in arena: ScratchArena) throws(ARMSError) -> ByteBuffer {
    let strip = try ByteBuffer(rows, times: stride(of: width), in: arena)
    strip.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    return strip
  }

  /// Resamples `count` rows, at most `ck_resample_strip`, of a strip; output rows follow one another.
  func run(
    _ strip: UnsafePointer<UInt8>, of width: Int, count: Int, into output: UnsafeMutablePointer<UInt8>
  ) {
    var args = ck_resample_columns(
      rows: strip, stride: stride(of: width), row_count: count, coefficients: coefficients, offsets: offsets,
      columns: self.count, groups: groups, channels: channels, out: output,
      out_stride: self.count * min(channels, 3))
    kernels.resample_columns(&args)
  }
}
