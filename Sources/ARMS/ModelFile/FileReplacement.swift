import Glibc

/// A file that takes the place of another in one step, when all its bytes are on disk.
///
/// The bytes go to a temporary in the same directory, `.<name>.<16 hex digits>.tmp`, which `commit` renames
/// over the old file. Whoever has the old one open or mapped keeps reading it. Without `commit` the
/// temporary is removed when this object goes; only a killed process leaves one, until the next write to
/// the same file. The new file has the owner, group and permissions of the old one, as far as this process may give
/// them, or those of the umask. A symbolic link is followed if it leads to a file, which is replaced; else the link is.
///
/// Not safe to share between threads.
final class FileReplacement {
  /// The path as the caller gave it, for messages.
  private let path: String
  // Bytes, as what is made of them: a name on disk need not be UTF-8, and repaired it would be another's.
  private let target: [CChar]
  private let directory: [CChar]
  private let temporary: TemporaryFile
  private var isCommitted = false

  /// Creates the temporary.
  ///
  /// Errors: `io` if `path` names anything but a regular file or nothing, or the directory takes no file.
  init(_ path: String) throws(ARMSError) {
    func failure(_ text: String) -> ARMSError {
      ARMSError(.io, "\(printable(path)): cannot write: \(text)")
    }
    guard !path.isEmpty else { throw ARMSError(.io, "the path of the file is empty; give one") }
    guard !path.utf8.contains(0) else { throw failure("the path contains a NUL") }
    let target = Self.resolve(path)
    let (directory, name) = Self.split(target)
    let old = try Self.status(of: target, failure)

    TemporaryFile.removeLeftovers(of: name, in: directory)
    // Never open to more users than the file that it replaces.
    guard let temporary = TemporaryFile(for: name, in: directory, mode: old == nil ? 0o666 : 0o600) else {
      throw failure(errorText(errno))
    }

    self.path = path
    self.target = target
    self.directory = directory
    self.temporary = temporary
    if let old, !Self.give(temporary.descriptor, what: old) {
      let reason = errorText(errno)
      throw failure("its permissions: \(reason)")
    }
  }

  deinit {
    if !isCommitted { unlink(temporary.path) }
    close(temporary.descriptor)
  }

  /// Appends `bytes`, then zeros up to a multiple of `FileBytes.alignment`.
  func write(padding bytes: UnsafeRawBufferPointer) throws(ARMSError) {
    try write(bytes)
    let zeros = bytes.count.roundedUp(toMultipleOf: FileBytes.alignment) - bytes.count
    try [UInt8](repeating: 0, count: zeros).span.bytes.withUnsafeBytes { (zeros) throws(ARMSError) in
      try write(zeros)
    }
  }

  /// Appends `bytes`.
  func write(_ bytes: UnsafeRawBufferPointer) throws(ARMSError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let count = withoutFileSizeSignal { Glibc.write(temporary.descriptor, part.baseAddress, part.count) }
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno != EINTR {
        throw failure(errorText(errno))
      }
    }
  }

  /// Makes the bytes durable and puts the file in its place.
  func commit() throws(ARMSError) {
    guard fsync(temporary.descriptor) == 0 else { throw failure(errorText(errno)) }
    guard rename(temporary.path, target) == 0 else { throw failure(errorText(errno)) }
    isCommitted = true
    try syncDirectory()
  }

  /// Makes the rename durable. A file system that cannot sync a directory says EINVAL.
  private func syncDirectory() throws(ARMSError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 || errno == EINVAL else {
      let reason = errorText(errno)
      throw ARMSError(
        .io, "\(printable(path)): is written, but its directory cannot be synced: \(reason)")
    }
  }

  private func failure(_ text: String) -> ARMSError {
    ARMSError(.io, "\(printable(path)): cannot write: \(text)")
  }
}

/// Runs `body`, a write, without the signal that ends a process whose file grows beyond RLIMIT_FSIZE: the error that the
/// write then gives says it as well. One that waited before stays.
private func withoutFileSizeSignal<R>(_ body: () -> R) -> R {
  var (signals, before, waiting) = (sigset_t(), sigset_t(), sigset_t())
  sigemptyset(&signals)
  sigaddset(&signals, SIGXFSZ)
  sigpending(&waiting)
  pthread_sigmask(SIG_BLOCK, &signals, &before)
  let result = body()
  let reason = errno
  if sigismember(&waiting, SIGXFSZ) == 0 {
    var now = timespec()
    while sigtimedwait(&signals, nil, &now) < 0 && errno == EINTR {}
  }
  pthread_sigmask(SIG_SETMASK, &before, nil)
  errno = reason
  return result
}

extension FileReplacement {
  /// `path` with its symbolic links followed, if it exists.
  private static func resolve(_ path: String) -> [CChar] {
    guard let resolved = realpath(path, nil) else { return Array(path.utf8CString) }
    defer { free(resolved) }
    return Array(UnsafeBufferPointer(start: resolved, count: strlen(resolved) + 1))
  }

  /// Directory of a file, and its name without the NUL.
  private static func split(_ path: [CChar]) -> (directory: [CChar], name: ArraySlice<CChar>) {
    guard let slash = path.lastIndex(of: CChar(UInt8(ascii: "/"))) else {
      return (Array(".".utf8CString), path.dropLast())
    }
    let directory = slash == 0 ? path[...slash] : path[..<slash]
    return (directory + [0], path[(slash + 1)...].dropLast())
  }

  /// What the regular file at `path` is, or nil if there is none.
  private static func status(
    of path: [CChar], _ failure: (String) -> ARMSError
  ) throws(ARMSError) -> stat? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw failure("it is a directory, pipe, socket or device; only a regular file is replaced")
    }
    return status
  }

  /// Gives a file the owner, group and permissions of `old`. Root alone gives files to others; whoever is not in the
  /// group of the old file keeps the new one from every group.
  private static func give(_ descriptor: Int32, what old: stat) -> Bool {
    if fchown(descriptor, old.st_uid, old.st_gid) != 0 { _ = fchown(descriptor, uid_t.max, old.st_gid) }
    var new = stat()
    guard fstat(descriptor, &new) == 0 else { return false }
    return fchmod(descriptor, permissions(old.st_mode, groupStays: new.st_gid == old.st_gid)) == 0
  }

  /// What a file with `mode` may be opened for, once it is replaced.
  static func permissions(_ mode: mode_t, groupStays: Bool) -> mode_t { mode & (groupStays ? 0o777 : 0o707) }
}
