import Glibc
import Testing

@testable import ARMS

@Suite struct FileVersionTests {
  /// Also when size and time of writing are what they were, as tools that copy times leave them.
  @Test func aRewrittenFileIsAnother() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/file"
    func write(_ byte: UInt8) {
      let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
      defer { close(descriptor) }
      #expect(withUnsafePointer(to: byte) { Glibc.write(descriptor, $0, 1) } == 1)
      #expect(futimens(descriptor, [timespec(), timespec()]) == 0)
    }
    #expect(FileVersion(path: path) == nil)
    write(1)
    let first = try #require(FileVersion(path: path))
    #expect(FileVersion(path: path) == first)
    usleep(20_000)  // The system's clock of files may stand still for some milliseconds.
    write(2)
    #expect(FileVersion(path: path) != first)
  }
}
