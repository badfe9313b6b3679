import Glibc
import Testing

@testable import ARMS

@Suite struct FileBytesTests {
  @Test(arguments: [false, true]) func givesTheContentAligned(copy: Bool) throws {
    let directory = try TemporaryDirectory()
    let content = (0..<10_000).map { UInt8($0 % 251) }
    let file = try FileBytes(path: directory.file("a", content), copy: copy)
    #expect(file.bytes.elementsEqual(content))
    #expect(file.isMapped == !copy)
    #expect(Int(bitPattern: file.bytes.baseAddress) % FileBytes.alignment == 0)
  }

  @Test func aMappedFileSurvivesItsRemoval() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.file("a", [1, 2, 3])
    let file = try FileBytes(path: path, copy: false)
    unlink(path)
    #expect(Array(file.bytes) == [1, 2, 3])
  }

  @Test(arguments: [false, true]) func saysWhatIsWrongWithAPath(copy: Bool) throws {
    let directory = try TemporaryDirectory()
    let empty = try directory.file("empty", [])
    let fifo = directory.path + "/fifo"
    #expect(mkfifo(fifo, 0o600) == 0)
    let cases = [
      (directory.path + "/none", "No such file"), (empty, "is empty"), (directory.path, "is a directory"),
      (fifo, "is a pipe"), ("/dev/null", "is a pipe, socket or device"),
    ]
    for (path, text) in cases {
      let error = failure { try FileBytes(path: path, copy: copy) }
      #expect(error?.code == .io)
      #expect(error?.message.hasPrefix(path + ": ") == true)
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
    }
    let nameless = failure { try FileBytes(path: "", copy: copy) }
    #expect(nameless?.code == .io && nameless?.message == "the path of the file is empty; give one")
  }

  @Test func aMessageIsOneLineWhateverThePath() {
    for path in ["/no/such\nfile", "/no\u{0}such"] {
      let error = failure { try FileBytes(path: path, copy: false) }
      #expect(error?.code == .io)
      #expect(error?.message.unicodeScalars.allSatisfy { $0.value >= 0x20 } == true)
    }
  }

  @Test(arguments: [false, true]) func leavesNoDescriptorOpen(copy: Bool) throws {
    let directory = try TemporaryDirectory()
    let file = try FileBytes(path: directory.file("a", [1]), copy: copy)
    _ = failure { try FileBytes(path: directory.path, copy: copy) }
    let open = names(in: "/proc/self/fd").compactMap { linkTarget("/proc/self/fd/" + $0) }
    #expect(!open.isEmpty && open.allSatisfy { !$0.hasPrefix(directory.path) })
    #expect(file.bytes.count == 1)
  }

  /// What a symbolic link says. Not `realpath`: a descriptor of a pipe or socket leads to no path, and a process
  /// may have no other descriptors.
  private func linkTarget(_ path: String) -> String? {
    var text = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &text, text.count)
    return count < 0 ? nil : String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
