import Glibc

/// Reads the file of an encoded image, whole.
enum ImageFile {
  /// The bytes of the regular file at `path`, which is taken as it is given.
  ///
  /// Throws `invalidArgument` for a path that holds a NUL, `limitExceeded` before memory is taken for
  /// a file above the limit, `invalidImage` for an empty file, and `io` for anything else.
  static func read(_ path: String, limits: ImageLimits) throws(ARMSError) -> ByteBuffer {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ARMSError(.invalidArgument, "image path: it is empty or holds a NUL; give the path of a file")
    }
    let file = openForReading(path)
    guard file >= 0 else { throw failure("cannot be opened", path) }
    defer { close(file) }

    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("cannot be examined", path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "not a regular file"
      throw ARMSError(.io, "\(name(path)) is \(kind); give the path of a JPEG or PNG file")
    }
    guard let size = Int(exactly: status.st_size), size > 0 else {
      throw ARMSError(.invalidImage, "\(name(path)) is empty; JPEG and PNG are accepted")
    }
    try limits.check(bytes: size, of: name(path))
    let buffer = try ByteBuffer(count: size)
    let room = UnsafeMutableRawBufferPointer(start: buffer.pointer, count: size)
    guard let count = ARMS.read(file, into: room) else { throw failure("cannot be read", path) }
    guard count == size else {
      throw ARMSError(.io, "\(name(path)) became shorter while it was read; try again when it is written")
    }
    return buffer
  }

  /// What messages call the image at `path`.
  static func name(_ path: String) -> String { "image \(printable(path))" }

  private static func failure(_ what: String, _ path: String) -> ARMSError {
    ARMSError(.io, "\(name(path)) \(what): \(errorText(errno))")
  }
}
