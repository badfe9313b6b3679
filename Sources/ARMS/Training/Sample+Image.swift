import Glibc

extension Sample {
  /// An image of a sample: a copy of what the caller had, or the path of a file that is read when the image is
  /// encoded. Immutable.
  ///
  /// Two are equal if they were given in the same way with the same content; rows of raw pixels are compared
  /// without what lies between them.
  public final class Image: Sendable {
    private enum Source: Equatable {
      case encoded
      case path(String)
      case raw(width: Int, height: Int, channels: Int)
      case prepared
    }

    private let source: Source
    private let exact: Bool
    /// Encoded bytes, rows of pixels one after the other, or floats; empty for a path.
    private let content: AlignedBuffer
    private let contentHash: Int

    /// Bytes of the copy.
    var byteCount: Int { content.byteCount }

    /// Copies an image.
    ///
    /// Throws `invalidImage` for encoded bytes that are no JPEG or PNG, `notFinite` for prepared pixels that
    /// are not numbers, `invalidArgument` or `limitExceeded` for an empty path or raw pixels that do not fit
    /// their memory, and `outOfMemory`. Whether it can be decoded, and is not too large for a router, is found
    /// when it is encoded.
    public init(copying input: ImageInput) throws(ARMSError) {
      exact = input.exact
      switch input.source {
      case .encoded(let bytes):
        _ = try ImageFormat(of: bytes, name: "the image")
        (source, content) = (.encoded, try Self.copy(bytes))
      case .path(let path):
        guard !path.isEmpty, !path.utf8.contains(0) else {
          throw ARMSError(.invalidArgument, "image path: it is empty or holds a NUL; give the path of a file")
        }
        (source, content) = (.path(path), try AlignedBuffer(byteCount: 0, purpose: "an image"))
      case .rgb8(let bytes, let width, let height, let stride):
        source = .raw(width: width, height: height, channels: 3)
        content = try Self.rows(bytes, width: width, height: height, channels: 3, stride: stride)
      case .rgba8(let bytes, let width, let height, let stride):
        source = .raw(width: width, height: height, channels: 4)
        content = try Self.rows(bytes, width: width, height: height, channels: 4, stride: stride)
      case .gray8(let bytes, let width, let height, let stride):
        source = .raw(width: width, height: height, channels: 1)
        content = try Self.rows(bytes, width: width, height: height, channels: 1, stride: stride)
      case .prepared(let floats):
        try ImagePreprocessor.check(prepared: floats)
        (source, content) = (.prepared, try Self.copy(UnsafeRawBufferPointer(floats)))
      }
      var hasher = Hasher()
      hasher.combine(bytes: content.bytes)
      contentHash = hasher.finalize()
    }

    private static func copy(_ bytes: UnsafeRawBufferPointer) throws(ARMSError) -> AlignedBuffer {
      let copy = try AlignedBuffer(byteCount: bytes.count, purpose: "an image of a sample")
      if let base = bytes.baseAddress { copy.start.copyMemory(from: base, byteCount: bytes.count) }
      return copy
    }

    /// The rows without what lies between them.
    private static func rows(
      _ bytes: UnsafeRawBufferPointer, width: Int, height: Int, channels: Int, stride: Int
    ) throws(ARMSError) -> AlignedBuffer {
      var pixels = try RawPixels(
        bytes, width: width, height: height, channels: channels, stride: stride,
        limits: ImageLimits(maxBytes: .max, maxPixels: .max))
      // They lie in memory, so that their number is no more than an Int.
      let copy = try AlignedBuffer(
        byteCount: height * width * channels, purpose: "an image of \(width) x \(height) pixels")
      pixels.read(height, into: copy.pointer(to: UInt8.self), stride: width * channels)
      return copy
    }

    /// The image to be encoded. Its memory lives as long as this: who reads it says `extendLifetime` of this
    /// afterwards.
    var input: ImageInput {
      let bytes = content.bytes
      switch source {
      case .encoded: return ImageInput(.encoded(bytes), exact: exact)
      case .path(let path): return ImageInput(.path(path), exact: exact)
      case .raw(let width, let height, 1):
        return ImageInput(.gray8(bytes, width: width, height: height, stride: 0), exact: exact)
      case .raw(let width, let height, 3):
        return ImageInput(.rgb8(bytes, width: width, height: height, stride: 0), exact: exact)
      case .raw(let width, let height, _):
        return ImageInput(.rgba8(bytes, width: width, height: height, stride: 0), exact: exact)
      case .prepared:
        let count = content.byteCount / MemoryLayout<Float>.stride
        return ImageInput(
          .prepared(UnsafeBufferPointer(start: content.pointer(to: Float.self), count: count)), exact: exact)
      }
    }
  }
}

extension Sample.Image {
  /// The version of its file as it is now; nil of an image that is no path, and of a file that is gone.
  var fileVersion: FileVersion? {
    guard case .path(let path) = source else { return nil }
    return FileVersion(path: path)
  }
}

extension Sample.Image: Hashable {
  /// Whether both were given in the same way with the same content.
  public static func == (left: Sample.Image, right: Sample.Image) -> Bool {
    if left === right { return true }
    return left.contentHash == right.contentHash && left.source == right.source && left.exact == right.exact
      && left.content.byteCount == right.content.byteCount
      && memcmp(left.content.start, right.content.start, left.content.byteCount) == 0
  }

  /// Hashes the content.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(contentHash)
    if case .path(let path) = source { hasher.combine(path) }
  }
}
