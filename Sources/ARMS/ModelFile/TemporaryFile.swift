import Glibc

/// The temporaries of `FileReplacement`: files `.<name>.<16 hex digits>.tmp` beside the file `name`.
///
/// A process locks its temporary as long as it writes it, and the system drops the lock when the process
/// ends. So one that can be locked was left by a killed process, and the next write removes it.
struct TemporaryFile {
  let path: [CChar]
  /// Open for writing, and locked.
  let descriptor: Int32

  /// Creates a temporary for the file `name` in `directory` with permissions of which the umask takes some, or
  /// answers nil with the reason in `errno`.
  init?(for name: ArraySlice<CChar>, in directory: [CChar], mode: mode_t) {
    let prefix = Self.prefix(name)
    for _ in 0..<Self.tries {
      let path = Self.path(of: prefix + Self.bytes("\(Self.randomDigits()).tmp"), in: directory)
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
      if descriptor < 0 { return nil }
      if Self.lock(descriptor) {
        self.path = path
        self.descriptor = descriptor
        return
      }
      unlink(path)
      close(descriptor)
    }
    errno = EWOULDBLOCK
    return nil
  }

  private static let tries = 16

  /// Locks a temporary that was just made; false if another process has it, which may take it for a leftover, or has
  /// removed it. Never waits: whoever may read the file may hold the lock for ever.
  private static func lock(_ descriptor: Int32) -> Bool {
    // Where the file system has no locks, nothing can be told to be left over, and nothing is removed.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else { return false }
    var status = stat()
    return fstat(descriptor, &status) != 0 || status.st_nlink > 0
  }

  /// Removes the temporaries for the file `name` in `directory` that nobody writes any more.
  static func removeLeftovers(of name: ArraySlice<CChar>, in directory: [CChar]) {
    guard let stream = opendir(directory) else { return }
    defer { closedir(stream) }
    let prefix = prefix(name)
    while let entry = readdir(stream) {
      let entryName = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        Array(bytes.bindMemory(to: CChar.self).prefix { $0 != 0 })
      }
      guard isTemporary(entryName, prefix) else { continue }
      let path = path(of: entryName, in: directory)
      let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
      close(descriptor)
    }
  }

  /// What the names of temporaries begin with. A name may have 255 bytes, so a long one is cut.
  private static func prefix(_ name: ArraySlice<CChar>) -> [CChar] {
    bytes(".") + name.prefix(200) + bytes(".")
  }

  private static func path(of name: [CChar], in directory: [CChar]) -> [CChar] {
    directory.dropLast() + bytes("/") + name + [0]
  }

  private static func bytes(_ text: String) -> [CChar] { text.utf8CString.dropLast() }

  private static func randomDigits() -> String {
    var generator = SystemRandomNumberGenerator()
    let digits = String(generator.next() as UInt64, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }

  private static func isTemporary(_ name: [CChar], _ prefix: [CChar]) -> Bool {
    let (digits, hexDigits) = (name.dropFirst(prefix.count).dropLast(4), bytes("0123456789abcdef"))
    return name.starts(with: prefix) && name.suffix(4).elementsEqual(bytes(".tmp")) && digits.count == 16
      && digits.allSatisfy { hexDigits.contains($0) }
  }
}
