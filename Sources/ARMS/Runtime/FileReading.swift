import Glibc

// Reading files, whatever they hold. Interrupted calls are made again.

/// Opens a file for reading: its descriptor, or -1 with the reason in `errno`.
///
/// O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. A regular file ignores it.
func openForReading(_ path: String) -> Int32 {
  while true {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    if descriptor >= 0 || errno != EINTR { return descriptor }
  }
}

/// Reads into `buffer` until it is full or the file ends: the bytes that were read, or nil with the reason in `errno`.
func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int? {
  var done = 0
  while done < buffer.count {
    let count = Glibc.read(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
    if count < 0 && errno == EINTR { continue }
    if count < 0 { return nil }
    if count == 0 { break }
    done += count
  }
  return done
}
