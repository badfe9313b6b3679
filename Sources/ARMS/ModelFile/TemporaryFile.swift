import Glibc

/// The temporaries of `FileReplacement`: files `.<name>.<16 hex digits>.tmp` beside the file `name`.
///
/// A process locks its temporary as long as it writes it, and the system drops the lock when the process
/// ends. So one that can be locked was left by a killed process, and the next write removes it.
struct TemporaryFile {
  let path: String
  /// Open for writing, and locked.
  let descriptor: Int32

  /// Creates a temporary for the file `name` in `directory` with permissions of which the umask takes some, or
  /// answers nil with the reason in `errno`.
  init?(for name: String, in directory: String, mode: mode_t) {
    let prefix = Self.prefix(name)
    while true {
      let path = "\(directory)/\(prefix)\(Self.randomDigits()).tmp"
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
      if descriptor < 0 { return nil }
      // Where the file system has no locks, nothing can be told to be left over, and nothing is removed.
      while flock(descriptor, LOCK_EX) != 0 && errno == EINTR {}
      // Before the lock was had, another process may have taken this for a leftover.
      var status = stat()
      if fstat(descriptor, &status) == 0 && status.st_nlink == 0 {
        close(descriptor)
        continue
      }
      self.path = path
      self.descriptor = descriptor
      return
    }
  }

  /// Removes the temporaries for the file `name` in `directory` that nobody writes any more.
  static func removeLeftovers(of name: String, in directory: String) {
    guard let stream = opendir(directory) else { return }
    defer { closedir(stream) }
    let prefix = Array(prefix(name).utf8)
    while let entry = readdir(stream) {
      let entryName = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard isTemporary(entryName, prefix) else { continue }
      let path = "\(directory)/\(String(decoding: entryName, as: UTF8.self))"
      let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
      close(descriptor)
    }
  }

  /// What the names of temporaries begin with. A name may have 255 bytes, so a long one is cut.
  private static func prefix(_ name: String) -> String {
    ".\(String(decoding: name.utf8.prefix(200), as: UTF8.self))."
  }

  private static func randomDigits() -> String {
    var generator = SystemRandomNumberGenerator()
    let digits = String(generator.next() as UInt64, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }

  private static func isTemporary(_ name: [UInt8], _ prefix: [UInt8]) -> Bool {
    let digits = name.dropFirst(prefix.count).dropLast(4)
    return name.starts(with: prefix) && name.suffix(4).elementsEqual(".tmp".utf8) && digits.count == 16
      && digits.allSatisfy { "0123456789abcdef".utf8.contains($0) }
  }
}
