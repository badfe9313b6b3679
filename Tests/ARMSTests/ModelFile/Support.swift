import Glibc

@testable import ARMS

/// The bytes of a GGUF file, put together by hand so that they can be wrong.
struct HandmadeGGUF {
  var magic: [UInt8] = Array("GGUF".utf8)
  var version: UInt32 = 3
  var claimedKeys: UInt64?
  var claimedTensors: UInt64?
  /// Each with name, type and value encoded.
  var keys: [[UInt8]] = [
    key("general.architecture", string("arms")),
    key("general.alignment", uint32(64)),
    key("arms.format_version", uint32(1)),
  ]
  var tensors: [[UInt8]] = []
  var data: [UInt8] = []

  var bytes: [UInt8] {
    var header = magic + le(version) + le(claimedTensors ?? UInt64(tensors.count))
    header += le(claimedKeys ?? UInt64(keys.count))
    header += (keys + tensors).joined()
    while header.count % 64 != 0 { header.append(0) }
    return header + data
  }

  static func key(_ name: String, _ typeAndValue: [UInt8]) -> [UInt8] { text(name) + typeAndValue }
  static func string(_ value: String) -> [UInt8] { le(UInt32(8)) + text(value) }
  static func uint32(_ value: UInt32) -> [UInt8] { le(UInt32(4)) + le(value) }
  static func array(of type: UInt32, count: UInt64, _ payload: [UInt8]) -> [UInt8] {
    le(UInt32(9)) + le(type) + le(count) + payload
  }
  static func tensor(
    _ name: String, dimensions: [UInt64] = [16], type: UInt32 = 0, offset: UInt64 = 0
  ) -> [UInt8] {
    text(name) + le(UInt32(dimensions.count)) + dimensions.flatMap { le($0) } + le(type) + le(offset)
  }

  static func text(_ value: String) -> [UInt8] { le(UInt64(value.utf8.count)) + Array(value.utf8) }
  static func le(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  func le(_ value: some FixedWidthInteger) -> [UInt8] { Self.le(value) }
}

/// A model read from `bytes`, with the name "test" in messages.
func open(_ bytes: [UInt8]) throws -> ModelFile {
  try ModelFile(bytes: bytes.withUnsafeBytes { try FileBytes(copying: $0) }, name: "test")
}

/// The error that `body` throws, or nil.
func failure<T>(_ body: () throws -> T) -> ARMSError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? ARMSError
  }
}

/// Asks a model for everything that it can be asked for, and adds up what it says.
func readAll(_ model: ModelFile) -> Int {
  var sum = 0
  func use<T>(_ body: () throws -> T) { if (try? body()) != nil { sum &+= 1 } }
  for key in model.keys {
    use { try model.string(key) }
    use { try model.uint32(key) }
    use { try model.float(key) }
    use { try model.bool(key) }
    use { try model.uint32Array(key) }
    use { try model.int32Array(key) }
    use { try model.floatArray(key) }
    use { try model.float64Array(key) }
    use { try model.boolArray(key) }
    use { try model.stringArray(key) }
    if let strings = try? model.strings(key) {
      for index in 0..<strings.count { for byte in strings[index] { sum &+= Int(byte) } }
    }
  }
  for name in model.tensorNames {
    guard let tensor = model.tensor(name) else { continue }
    for byte in tensor.data { sum &+= Int(byte) }
  }
  return sum
}

/// The elements of a tensor.
func elements<T: BitwiseCopyable>(_ tensor: TensorInfo, _: T.Type) -> [T] {
  (0..<tensor.data.count / MemoryLayout<T>.stride).map {
    tensor.data.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
  }
}

/// The path of a file in Tests/Fixtures.
func fixture(_ name: String) -> String {
  let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
  return parts.dropLast(3).joined(separator: "/") + "/Fixtures/" + name
}

/// The bytes of the file at `path`.
func contents(_ path: String) throws -> [UInt8] {
  let file = try FileBytes(path: path, copy: true)
  return withExtendedLifetime(file) { Array(file.bytes) }
}

/// The names of the files in a directory, sorted.
func names(in directory: String) -> [String] {
  guard let stream = opendir(directory) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

/// A directory that goes, with the files in it, when this object does.
final class TemporaryDirectory {
  let path: String

  init() throws(ARMSError) {
    var template = Array("/tmp/arms-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw ARMSError(.io, "mkdtemp: \(errorText(errno))") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    for name in names { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  /// The names of the files in the directory, sorted.
  var names: [String] { ARMSTests.names(in: path) }

  /// Writes `bytes` to a file in the directory, and answers its path.
  func file(_ name: String, _ bytes: [UInt8]) throws(ARMSError) -> String {
    let file = "\(path)/\(name)"
    let descriptor = Glibc.open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count else {
      throw ARMSError(.io, "\(file): \(errorText(errno))")
    }
    close(descriptor)
    return file
  }
}
