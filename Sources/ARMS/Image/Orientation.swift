/// How a stored image is to be turned before it is looked at: the values of EXIF's Orientation.
enum Orientation: UInt16, Sendable {
  case upright = 1
  case mirrored = 2
  case rotated180 = 3
  case flipped = 4
  case transposed = 5
  case rotated90 = 6
  case transversed = 7
  case rotated270 = 8

  /// Whether rows become columns.
  var swapsAxes: Bool { rawValue >= 5 }

  /// Where the stored pixel in the first row and first column goes, and the steps from there along a
  /// stored row and a stored column, in pixels of the turned image of `width` x `height`.
  func steps(width: Int, height: Int) -> (origin: Int, alongRow: Int, alongColumn: Int) {
    let right = width - 1
    let bottom = (height - 1) * width
    switch self {
    case .upright: return (0, 1, width)
    case .mirrored: return (right, -1, width)
    case .rotated180: return (bottom + right, -1, -width)
    case .flipped: return (bottom, 1, -width)
    case .transposed: return (0, width, 1)
    case .rotated90: return (right, width, -1)
    case .transversed: return (bottom + right, -width, -1)
    case .rotated270: return (bottom, -width, 1)
    }
  }
}

/// A decoded image, turned upright, in memory.
struct OrientedPixels: ~Copyable {
  private let buffer: ByteBuffer
  let width: Int
  let height: Int
  let channels: Int

  /// Rows turned at a time: a column of the turned image is then written some 16 pixels at once.
  private static let strip = 16

  /// Reads and turns all rows of a started decoder.
  init(_ decoder: inout ImageDecoder, in arena: ScratchArena) throws(ARMSError) {
    let orientation = decoder.orientation
    let channels = decoder.channels
    let width = orientation.swapsAxes ? decoder.height : decoder.width
    let height = orientation.swapsAxes ? decoder.width : decoder.height
    // The decoder's limits and its row buffers have shown that a row's bytes do not overflow.
    let rowBytes = decoder.width * channels
    let buffer = try ByteBuffer(decoder.height, times: rowBytes, in: arena)
    let rows = try ByteBuffer(Self.strip, times: rowBytes, in: arena)
    defer { extendLifetime(rows) }
    let (origin, alongRow, alongColumn) = orientation.steps(width: width, height: height)
    var y = 0
    while y < decoder.height {
      let count = min(Self.strip, decoder.height - y)
      try decoder.read(count, into: rows.pointer, stride: rowBytes)
      let target = buffer.pointer + (origin + y * alongColumn) * channels
      for x in 0..<decoder.width {
        for row in 0..<count {
          let from = rows.pointer + row * rowBytes + x * channels
          let to = target + (x * alongRow + row * alongColumn) * channels
          for c in 0..<channels { to[c] = from[c] }
        }
      }
      y += count
    }
    self.buffer = buffer
    self.width = width
    self.height = height
    self.channels = channels
  }

  /// The pixels, valid while this value lives.
  var rows: RawPixels {
    RawPixels(
      UnsafePointer(buffer.pointer), width: width, height: height, channels: channels,
      stride: width * channels)
  }
}
