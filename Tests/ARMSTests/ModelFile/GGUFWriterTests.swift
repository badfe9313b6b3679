import Glibc
import Testing

@testable import ARMS

@Suite struct GGUFWriterTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var path: String { directory.path + "/model.gguf" }

  /// Writes a file with one tensor of these elements.
  private func write(_ elements: [Float], to path: String) throws {
    var writer = GGUFWriter()
    try elements.withUnsafeBytes {
      writer.add(tensor: "x", type: .f32, shape: [elements.count], data: $0)
      try writer.write(to: path)
    }
  }

  @Test func readsWhatItWrote() throws {
    var writer = GGUFWriter()
    writer.set("u32", .uint32(.max))
    writer.set("u64", .uint64(1 << 40))
    writer.set("f32", .float32(0.1))
    writer.set("bool", .bool(true))
    writer.set("text", .string("naïve\n"))
    writer.set("i32s", .int32Array([.min, 0]))
    writer.set("f64s", .float64Array([.pi]))
    writer.set("bools", .boolArray([false, true]))
    writer.set("texts", .stringArray(["", "日本", "a"]))
    writer.set("none", .stringArray([]))
    let bytes: [Int8] = [1, -2, 3, -4, 5, -6]
    let floats: [Float] = [0.25, 4]
    try bytes.withUnsafeBytes { bytes in
      try floats.withUnsafeBytes { floats in
        writer.add(tensor: "bytes", type: .i8, shape: [3, 2], data: bytes)
        writer.add(tensor: "floats", type: .f32, shape: [2], data: floats)
        try writer.write(to: path)
      }
    }
    let model = try ModelFile(path: path, copy: false)
    #expect(
      model.keys.prefix(4) == ["general.architecture", "general.alignment", "arms.format_version", "u32"])
    #expect(model.value("u32")?.integer == Int(UInt32.max))
    #expect(model.value("u64")?.integer == 1 << 40)
    #expect(try model.float("f32") == 0.1)
    #expect(try model.bool("bool"))
    #expect(try model.string("text") == "naïve\n")
    #expect(try model.int32Array("i32s") == [.min, 0])
    #expect(try model.float64Array("f64s") == [.pi])
    #expect(try model.boolArray("bools") == [false, true])
    #expect(try model.stringArray("texts") == ["", "日本", "a"])
    #expect(try model.stringArray("none").isEmpty)
    #expect(elements(try model.tensor("bytes", type: .i8, shape: [3, 2]), Int8.self) == bytes)
    #expect(elements(try model.tensor("floats", type: .f32, shape: [2]), Float.self) == floats)
  }

  @Test func aLaterValueReplacesAnEarlierOneInItsPlace() throws {
    var writer = GGUFWriter()
    writer.set("a", .uint32(1))
    writer.set("b", .uint32(2))
    writer.set("a", .string("x"))
    try writer.write(to: path)
    let model = try ModelFile(path: path, copy: false)
    #expect(model.keys.suffix(2) == ["a", "b"])
    #expect(try model.string("a") == "x")
  }

  @Test func passesOnAFileUnchanged() throws {
    let source = try ModelFile(path: fixture("every_type.gguf"), copy: false)
    var writer = GGUFWriter()
    // Its last tensor is of a type whose size is not known here.
    writer.add(source) { _ in true }
    try writer.write(to: path)
    let copy = try ModelFile(path: path, copy: false)
    #expect(copy.keys == source.keys)
    for key in source.keys {
      let (old, new) = (try #require(source.value(key)), try #require(copy.value(key)))
      #expect(old.typeName == new.typeName)
      #expect(old.payload.elementsEqual(new.payload))
    }
    #expect(copy.tensorNames == source.tensorNames.dropLast())
    for name in copy.tensorNames {
      let (old, new) = (try #require(source.tensor(name)), try #require(copy.tensor(name)))
      #expect(old.type == new.type && old.shape == new.shape && old.data.elementsEqual(new.data))
    }
  }

  @Test func savesOverTheFileThatItReads() throws {
    try write([1, 2, 3], to: path)
    let model = try ModelFile(path: path, copy: false)
    var writer = GGUFWriter()
    writer.add(model) { _ in true }
    writer.set("new", .bool(true))
    try writer.write(to: path)
    #expect(try ModelFile(path: path, copy: false).bool("new"))
    #expect(!model.has("new"))
    #expect(elements(try model.tensor("x", type: .f32, shape: [3]), Float.self) == [1, 2, 3])
    #expect(directory.names == ["model.gguf"])
  }

  @Test func theWriterKeepsItsSourceAlive() throws {
    var writer = GGUFWriter()
    writer.add(try ModelFile(path: fixture("every_type.gguf"), copy: true)) { _ in true }
    try writer.write(to: path)
    #expect(try ModelFile(path: path, copy: false).string("test.text") == "naïve 😀")
  }

  @Test func refusesWhatNoReaderWouldTake() throws {
    func expect(_ text: String, _ change: (inout GGUFWriter) -> Void) throws {
      var writer = GGUFWriter()
      change(&writer)
      let error = failure { try writer.write(to: path) }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.hasPrefix("\(path): cannot write: ") == true)
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
      #expect(directory.names.isEmpty)
    }
    let four = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: 64), count: 4)
    try expect("printable ASCII") { $0.set("é", .bool(true)) }
    try expect("printable ASCII") { $0.add(tensor: "", type: .f32, shape: [1], data: four) }
    try expect("has 4 bytes; 8 are wanted") { $0.add(tensor: "x", type: .f32, shape: [2], data: four) }
    try expect("is not known") { $0.add(tensor: "x", type: .init(rawValue: 8), shape: [32], data: four) }
    try expect("is not known") { $0.add(tensor: "x", type: .f32, shape: [1 << 62], data: four) }
    try expect("at least 1 each") { $0.add(tensor: "x", type: .f32, shape: [-1], data: four) }
    try expect("at most 4 dimensions") {
      $0.add(tensor: "x", type: .f32, shape: [1, 1, 1, 1, 1], data: four)
    }
    try expect("added twice") {
      $0.add(tensor: "x", type: .f32, shape: [1], data: four)
      $0.add(tensor: "x", type: .f32, shape: [1], data: four)
    }
  }

  @Test func saysWhereItCannotWrite() throws {
    let fifo = directory.path + "/fifo"
    #expect(mkfifo(fifo, 0o600) == 0)
    let cases = [
      (directory.path + "/none/model.gguf", "No such file or directory"), (directory.path, "directory"),
      (fifo, "only a regular file is replaced"), ("a\u{0}b", "the path contains a NUL"),
    ]
    for (path, text) in cases {
      let error = failure { try GGUFWriter().write(to: path) }
      #expect(error?.code == .io)
      #expect(error?.message.hasPrefix(printable(path) + ": cannot write: ") == true)
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
    }
    let error = failure { try GGUFWriter().write(to: "") }
    #expect(error?.code == .io && error?.message == "the path of the file is empty; give one")
    #expect(directory.names == ["fifo"])
  }

  @Test func anInterruptedWriteLeavesTheOldFileAndNoTemporary() throws {
    try write([1, 2, 3], to: path)
    let old = try contents(path)
    do {
      let replacement = try FileReplacement(path)
      try [UInt8](repeating: 7, count: 100).span.bytes.withUnsafeBytes { (bytes) throws(ARMSError) in
        try replacement.write(bytes)
      }
      let temporary = try #require(directory.names.first { $0 != "model.gguf" })
      #expect(temporary.hasPrefix(".model.gguf.") && temporary.hasSuffix(".tmp"))
      #expect(temporary.utf8.count == ".model.gguf.".utf8.count + 16 + ".tmp".utf8.count)
      #expect(try contents(path) == old)
    }
    #expect(directory.names == ["model.gguf"])
    #expect(try contents(path) == old)
  }

  @Test func aFailedRenameLeavesNoTemporary() throws {
    do {
      let replacement = try FileReplacement(path)
      #expect(mkdir(path, 0o700) == 0)
      let error = failure { try replacement.commit() }
      #expect(error?.code == .io)
      #expect(error?.message.hasPrefix("\(path): cannot write: ") == true)
      #expect(directory.names.count == 2)
    }
    #expect(directory.names == ["model.gguf"])
    rmdir(path)
  }

  @Test func theNextWriteRemovesTheTemporaryOfAKilledOne() throws {
    let others = [
      ".model.gguf.0123456789abcdeg.tmp", ".model.gguf.0123456789abcde.tmp",
      ".model.gguf.0123456789abcdef.txt",
      ".other.gguf.0123456789abcdef.tmp", "model.gguf.0123456789abcdef.tmp",
    ]
    for name in others + [".model.gguf.0123456789abcdef.tmp"] { _ = try directory.file(name, [1, 2, 3]) }
    try write([1], to: path)
    #expect(directory.names == (others + ["model.gguf"]).sorted())
  }

  @Test func twoWritesAtOnceLeaveEachOtherAlone() throws {
    let slow = try FileReplacement(path)
    try write([1, 2], to: path)
    #expect(directory.names.count == 2)
    try slow.commit()
    #expect(directory.names == ["model.gguf"])
    #expect(failure { try ModelFile(path: path, copy: false) }?.message.contains("is empty") == true)
  }

  /// Whoever may read the folder may lock what is made in it, and keep it locked.
  @Test func neverWaitsForAnothersLock() throws {
    let (done, folder) = (Counter(), directory.path)
    let locker = Threads(1) { _ in
      while done.value == 0 {
        for name in names(in: folder) where name.hasSuffix(".tmp") {
          let descriptor = open("\(folder)/\(name)", O_RDONLY)
          // Closed, and so unlocked, by the end of the process alone.
          if descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) != 0 { close(descriptor) }
        }
      }
    }
    for _ in 0..<200 { _ = failure { try write([1], to: path) } }
    done.add()
    locker.join()
  }

  @Test func keepsPermissionsAndFollowsLinks() throws {
    try write([1], to: path)
    #expect(chmod(path, 0o640) == 0)
    let link = directory.path + "/link"
    #expect(symlink("model.gguf", link) == 0)
    try write([1, 2], to: link)
    var status = stat()
    #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640)
    #expect(try ModelFile(path: path, copy: false).tensor("x")?.shape == [2])
  }

  /// What root writes stays readable for those whose file it was. Who cannot give a file away keeps their own.
  @Test func keepsTheOwner() throws {
    try write([1], to: path)
    var (owner, group) = (uid_t(12_345), gid_t(54_321))
    if chown(path, owner, group) != 0 { (owner, group) = (geteuid(), getegid()) }
    #expect(chmod(path, 0o640) == 0)
    try write([1, 2], to: path)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_size > 0)
    #expect(status.st_uid == owner && status.st_gid == group && status.st_mode & 0o777 == 0o640)
  }

  @Test func anotherGroupIsNotLetIn() {
    #expect(FileReplacement.permissions(0o100_664, groupStays: true) == 0o664)
    #expect(FileReplacement.permissions(0o100_664, groupStays: false) == 0o604)
  }

  /// The name on disk is what a link leads to, byte by byte. One that is no UTF-8 can be had only by a link, or as the
  /// directory that a process works in.
  @Test func replacesAFileWhoseNameIsNotUTF8() throws {
    let target = Array("\(directory.path)/mod".utf8CString.dropLast()) + [CChar(truncatingIfNeeded: 0xE8), 0]
    defer { unlink(target) }
    try write([1], to: path)
    #expect(rename(path, target) == 0)
    let link = directory.path + "/link"
    #expect(symlink(target, link) == 0)
    try write([1, 2, 3], to: link)
    #expect(try ModelFile(path: link, copy: false).tensor("x")?.shape == [3])
    var status = stat()
    #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    #expect(directory.names.count == 2)
  }

  @Test func writesANameAsLongAsTheyGet() throws {
    let path = directory.path + "/" + String(repeating: "é", count: 127)
    try write([1], to: path)
    #expect(try ModelFile(path: path, copy: false).tensorNames == ["x"])
    #expect(directory.names.count == 1)
  }
}
