/// Rows of 8-bit pixels, from top to bottom: what a decoder gives, or what lies in memory.
protocol PixelRows: ~Copyable {
  /// Pixels of a row.
  var width: Int { get }
  /// Rows.
  var height: Int { get }
  /// Bytes of a pixel: 1 gray, 3 RGB, 4 RGB and an alpha to be ignored.
  var channels: Int { get }

  /// Narrows the rows, before the first is read, to columns that include `columns`, and returns the
  /// first of them; `width` becomes their number.
  mutating func narrow(to columns: Range<Int>) throws(ARMSError) -> Int

  /// Writes the next `count` rows to `rows`, `stride` bytes apart.
  mutating func read(_ count: Int, into rows: UnsafeMutablePointer<UInt8>, stride: Int) throws(ARMSError)

  /// Passes over the next `count` rows. `scratch` holds a row.
  mutating func skip(_ count: Int, through scratch: UnsafeMutablePointer<UInt8>) throws(ARMSError)
}

/// Pixels in memory, read only while the memory lives.
struct RawPixels: PixelRows {
  private(set) var width: Int
  let height: Int
  let channels: Int
  private let stride: Int
  private var next: UnsafePointer<UInt8>

  /// Pixels whose memory the caller of this initialiser answers for.
  init(_ base: UnsafePointer<UInt8>, width: Int, height: Int, channels: Int, stride: Int) {
    self.width = width
    self.height = height
    self.channels = channels
    self.stride = stride
    next = base
  }

  /// Pixels given from outside. Throws `invalidArgument` when there are none or when they do not fit
  /// into `data`, and `limitExceeded`.
  init(
    _ data: UnsafeRawBufferPointer, width: Int, height: Int, channels: Int, stride: Int, limits: ImageLimits
  ) throws(ARMSError) {
    guard width > 0, height > 0 else {
      throw ARMSError(
        .invalidArgument, "raw image: \(width) x \(height) pixels; width and height must be at least 1")
    }
    try limits.check(width: width, height: height, of: "raw image")
    let (rowBytes, rowOverflow) = width.multipliedReportingOverflow(by: channels)
    let step = stride == 0 ? rowBytes : stride
    guard !rowOverflow, step >= rowBytes else {
      throw ARMSError(
        .invalidArgument,
        "raw image: a stride of \(stride) bytes is less than a row of \(width) pixels of \(channels) bytes; "
          + "0 means that rows follow one another")
    }
    // The last row needs no padding behind it.
    let (before, stepOverflow) = (height - 1).multipliedReportingOverflow(by: step)
    let (needed, overflow) = before.addingReportingOverflow(rowBytes)
    guard !stepOverflow, !overflow, needed <= data.count, let base = data.baseAddress else {
      throw ARMSError(
        .invalidArgument,
        "raw image: \(data.count) bytes are fewer than \(height) rows of \(width) pixels of \(channels) bytes "
          + "with a stride of \(step) need")
    }
    self.init(
      base.assumingMemoryBound(to: UInt8.self), width: width, height: height, channels: channels, stride: step
    )
  }

  mutating func narrow(to columns: Range<Int>) -> Int {
    next += columns.lowerBound * channels
    width = columns.count
    return columns.lowerBound
  }

  mutating func read(_ count: Int, into rows: UnsafeMutablePointer<UInt8>, stride: Int) {
    for row in 0..<count {
      (rows + row * stride).update(from: next, count: width * channels)
      next += self.stride
    }
  }

  mutating func skip(_ count: Int, through scratch: UnsafeMutablePointer<UInt8>) {
    next += count * stride
  }
}
