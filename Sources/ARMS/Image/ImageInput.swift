/// An image as the caller has it: encoded, raw, or prepared already.
///
/// The memory it points to is only read during the call it is given to, and must stay as it is for
/// that long.
public struct ImageInput {
  /// Where the pixels come from. Rows of raw pixels are `stride` bytes apart; 0 means that they follow
  /// one another.
  public enum Source {
    /// The bytes of a JPEG or PNG file.
    case encoded(UnsafeRawBufferPointer)
    /// The path of a JPEG or PNG file.
    case path(String)
    /// 3 bytes a pixel: red, green, blue.
    case rgb8(UnsafeRawBufferPointer, width: Int, height: Int, stride: Int)
    /// 4 bytes a pixel: red, green, blue and alpha, which is dropped.
    case rgba8(UnsafeRawBufferPointer, width: Int, height: Int, stride: Int)
    /// 1 byte a pixel.
    case gray8(UnsafeRawBufferPointer, width: Int, height: Int, stride: Int)
    /// Floats [3, image size, image size], normalised as the image encoder expects them.
    case prepared(UnsafeBufferPointer<Float>)
  }

  /// Where the pixels come from.
  public var source: Source
  /// Decode a JPEG at full size. Otherwise a large one is decoded at a reduced scale that keeps at
  /// least twice the target size of the luminance, which is several times faster. Colour, of which a file may hold
  /// fewer columns and rows, may then have less.
  public var exact: Bool

  /// Makes an input.
  public init(_ source: Source, exact: Bool = false) {
    self.source = source
    self.exact = exact
  }
}

/// The largest image that is accepted, checked before memory is taken for it.
struct ImageLimits: Sendable {
  /// Bytes of an encoded image.
  var maxBytes: Int
  /// Width times height of an image.
  var maxPixels: Int

  /// Throws `limitExceeded` when `width` times `height` is more than `maxPixels`.
  func check(width: Int, height: Int, of name: String) throws(ARMSError) {
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels <= maxPixels else {
      throw ARMSError(
        .limitExceeded,
        "\(name): \(width) x \(height) pixels are more than the limit of \(maxPixels); "
          + "send a smaller image or raise the limit")
    }
  }

  /// Throws `limitExceeded` when an encoded image of `count` bytes is larger than `maxBytes`.
  func check(bytes count: Int, of name: String) throws(ARMSError) {
    guard count <= maxBytes else {
      throw ARMSError(
        .limitExceeded,
        "\(name): \(count) bytes are more than the limit of \(maxBytes); "
          + "send a smaller image or raise the limit")
    }
  }
}
