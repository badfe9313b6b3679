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
    // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. A regular file ignores it.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw failure("cannot be opened", path) }
    defer { close(file) }

    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("cannot be examined", path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "not a regular file"
      throw ARMSError(.io, "image '\(path)' is \(kind); give the path of a JPEG or PNG file")
    }
    guard let size = Int(exactly: status.st_size), size > 0 else {
      throw ARMSError(.invalidImage, "image '\(path)' is empty; JPEG and PNG are accepted")
    }
    try limits.check(bytes: size, of: "image '\(path)'")
    let buffer = try ByteBuffer(count: size)
    try fill(buffer, from: file, path: path)
    return buffer
  }

  private static func fill(_ buffer: borrowing ByteBuffer, from file: Int32, path: String) throws(ARMSError) {
    var position = 0
    while position < buffer.bytes.count {
      let count = Glibc.read(file, buffer.pointer + position, buffer.bytes.count - position)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure("cannot be read", path) }
      guard count > 0 else {
        throw ARMSError(.io, "image '\(path)' became shorter while it was read; try again when it is written")
      }
      position += count
    }
  }

  private static func failure(_ what: String, _ path: String) -> ARMSError {
    ARMSError(.io, "image '\(path)' \(what): \(String(cString: strerror(errno)))")
  }
}
