import Glibc

/// The bytes of a file, immutable, at an address that is a multiple of 64.
///
/// A mapped file shares its pages with every other process that maps it and is read from disk as it is
/// touched. The price: if another process truncates the file meanwhile, the next touch of a page beyond
/// its new end raises SIGBUS and ends this process, and if another process writes into it, the bytes change
/// under the reader. Replace a model file by rename, as `GGUFWriter` does, never in place, or ask for
/// a copy.
///
/// Safe to share between threads.
final class FileBytes: Sendable {
  /// The content; valid as long as this object lives.
  nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
  /// The copy, if the content is not the file's own pages.
  private let copied: AlignedBuffer?

  /// Whether the content is the file's own pages, not a copy of them.
  var isMapped: Bool { copied == nil }

  /// The alignment of the first byte: a cache line, that of ``AlignedBuffer``, and what the int8 kernels ask of their
  /// weights.
  static let alignment = 64

  /// Maps the file at `path`, or reads it into memory of this process.
  ///
  /// Errors: `io` if it is missing, unreadable, empty or not a regular file; `outOfMemory`.
  init(path: String, copy: Bool) throws(ARMSError) {
    let descriptor = try Self.open(path)
    // A mapping outlives its descriptor, and a host may be short of descriptors.
    defer { close(descriptor) }
    let count = try Self.size(of: descriptor, path: path)
    let copied = try copy ? Self.read(descriptor, count, path) : nil
    bytes = if let copied { copied.bytes } else { try Self.map(descriptor, count, path) }
    self.copied = copied
  }

  /// Copies `source`, for a model that is not in a file.
  ///
  /// Errors: `outOfMemory`.
  init(copying source: UnsafeRawBufferPointer) throws(ARMSError) {
    let copy = try AlignedBuffer(byteCount: source.count, purpose: "a copy of the model")
    if let address = source.baseAddress { copy.start.copyMemory(from: address, byteCount: source.count) }
    copied = copy
    bytes = copy.bytes
  }

  deinit {
    if isMapped, let address = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
    }
  }
}

extension FileBytes {
  /// Asks the system to begin reading a mapped file that is not in memory yet.
  ///
  /// The first request touches every weight, so all of the file is wanted soon, and page faults read a cold
  /// disk in small pieces: touching 157 MB took 45 to 168 ms without this and 44 ms with it. On a file that is
  /// in memory already the call costs 0.1 ms. It is only advice, so its failure is none.
  func readAhead() {
    guard isMapped, let address = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: address), bytes.count, MADV_WILLNEED)
  }

  private static func open(_ path: String) throws(ARMSError) -> Int32 {
    guard !path.isEmpty else { throw ARMSError(.io, "the path of the file is empty; give one") }
    if path.utf8.contains(0) {
      throw ARMSError(.io, "\(printable(path)): cannot open: the path contains a NUL")
    }
    let descriptor = openForReading(path)
    guard descriptor >= 0 else {
      let reason = errorText(errno)
      throw ARMSError(.io, "\(printable(path)): cannot open: \(reason)")
    }
    return descriptor
  }

  private static func size(of descriptor: Int32, path: String) throws(ARMSError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let reason = errorText(errno)
      throw ARMSError(.io, "\(printable(path)): cannot stat: \(reason)")
    }
    let kind = status.st_mode & S_IFMT
    if kind == S_IFDIR {
      throw ARMSError(.io, "\(printable(path)): is a directory; a model is a regular file")
    }
    if kind != S_IFREG {
      throw ARMSError(.io, "\(printable(path)): is a pipe, socket or device; a model is a regular file")
    }
    guard let count = Int(exactly: status.st_size), count > 0 else {
      throw ARMSError(.io, "\(printable(path)): is empty; a model was wanted")
    }
    return count
  }

  private static func map(_ descriptor: Int32, _ count: Int, _ path: String) throws(ARMSError)
    -> UnsafeRawBufferPointer
  {
    let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address, address != MAP_FAILED else {
      let reason = errno
      throw ARMSError(
        reason == ENOMEM ? .outOfMemory : .io,
        "\(printable(path)): cannot map \(count) bytes: \(errorText(reason))")
    }
    return UnsafeRawBufferPointer(start: address, count: count)
  }

  private static func read(_ descriptor: Int32, _ count: Int, _ path: String) throws(ARMSError)
    -> AlignedBuffer
  {
    let copy = try AlignedBuffer(byteCount: count, purpose: "a copy of \(printable(path))")
    let done = ARMS.read(descriptor, into: UnsafeMutableRawBufferPointer(start: copy.start, count: count))
    let reason = errno
    guard done == count else {
      let text = done.map { "it shrank to \($0) of \(count) bytes meanwhile" } ?? errorText(reason)
      throw ARMSError(.io, "\(printable(path)): cannot read: \(text)")
    }
    return copy
  }
}

extension Int {
  /// The least multiple of `step` that is not less. For sizes and offsets in memory, far below `Int.max`.
  func roundedUp(toMultipleOf step: Int) -> Int { (self + step - 1) / step * step }
}
