/// A model file: a GGUF v3 file of architecture "arms", read in place.
///
/// The file is untrusted. Opening it checks the whole header: every count, length, type, dimension and
/// offset, that names are unique, and that every tensor lies in the file, aligned, overlapping no other.
/// Values are decoded, and strings checked for UTF-8, when they are asked for. FORMAT.md has the keys and
/// tensors.
///
/// Errors name the file, the key or tensor, what was found and what was wanted; `invalidModel` for a file
/// that is damaged or no model, `unsupported` for a sound one of another kind or version.
///
/// Immutable, so safe to share between threads. Values point into the file: whoever keeps one keeps the `ModelFile` as
/// well. Tensors keep what they point into.
final class ModelFile: Sendable {
  /// Where the file is, for messages.
  let path: String
  /// The content that every value points into, and the tensors that were read with it.
  let file: FileBytes
  /// The names of the keys, in the order of the file.
  let keys: [String]
  /// The names of the tensors, in the order of the file.
  let tensorNames: [String]

  private let values: [String: MetadataValue]
  private let tensors: [String: TensorInfo]

  /// The format of the keys and tensors that this code reads, `arms.format_version`.
  static let formatVersion = 1

  /// Opens the file at `path`: mapped, or copied into memory.
  ///
  /// Errors: `io`, `outOfMemory`, `invalidModel`, `unsupported`.
  convenience init(
    path: String, copy: Bool, architecture: GGUF.Architecture = .model
  ) throws(ARMSError) {
    try self.init(bytes: FileBytes(path: path, copy: copy), name: path, architecture: architecture)
  }

  /// Reads a model from `bytes`; `name` stands in messages where the path would.
  ///
  /// Errors: `invalidModel`, `unsupported`.
  init(
    bytes: FileBytes, name: String, architecture: GGUF.Architecture = .model
  ) throws(ARMSError) {
    path = name
    file = bytes
    var cursor = ByteCursor(bytes.bytes, file: name)
    let counts = try Self.readCounts(&cursor)
    (keys, values) = try Self.readKeys(&cursor, counts.keys)
    try Self.checkIdentity(values, architecture, cursor)
    (tensorNames, tensors) = try Self.readTensors(&cursor, counts.tensors, in: bytes)
    // Not earlier: a file that is refused need not be read.
    bytes.readAhead()
  }

  /// The model of `other` with these tensors in place of its own of the same names.
  init(_ other: ModelFile, replacing tensors: [TensorInfo]) {
    path = other.path
    file = other.file
    keys = other.keys
    values = other.values
    let added = tensors.lazy.map(\.name).filter { other.tensors[$0] == nil }
    tensorNames = other.tensorNames + added
    self.tensors = other.tensors.merging(tensors.map { ($0.name, $0) }) { _, new in new }
  }

  /// A model whose keys are in `header`, the bytes of a file without tensors, and whose tensors lie elsewhere.
  init(header: FileBytes, tensors: [TensorInfo], name: String) throws(ARMSError) {
    path = name
    file = header
    var cursor = ByteCursor(header.bytes, file: name)
    let counts = try Self.readCounts(&cursor)
    (keys, values) = try Self.readKeys(&cursor, counts.keys)
    try Self.checkIdentity(values, .model, cursor)
    tensorNames = tensors.map(\.name)
    self.tensors = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
  }

  /// Whether the file has the key.
  func has(_ key: String) -> Bool { values[key] != nil }

  /// The value of `key` as it lies in the file.
  func value(_ key: String) -> MetadataValue? { values[key] }

  /// Bytes of what the values and tensors live in: of mapped files, and of memory of this process.
  var byteCounts: (mapped: Int, held: Int) {
    var seen: Set<ObjectIdentifier> = []
    var counts = (mapped: 0, held: 0)
    for owner in [.file(file)] + tensors.values.map(\.owner) {
      guard let object = owner.object, seen.insert(ObjectIdentifier(object)).inserted else { continue }
      switch owner {
      case .file(let file) where file.isMapped: counts.mapped += file.bytes.count
      case .file(let file): counts.held += file.bytes.count
      case .memory(let buffer): counts.held += buffer.byteCount
      case .caller: break
      }
    }
    return counts
  }

  /// The tensor of that name, of whatever type and shape, or nil.
  func tensor(_ name: String) -> TensorInfo? { tensors[name] }

  /// The tensor of that name, which must have this type and shape.
  func tensor(_ name: String, type: TensorType, shape: [Int]) throws(ARMSError) -> TensorInfo {
    guard let found = tensors[name] else {
      throw invalid("has no tensor \(quoted(name)); \(type) \(shape) is wanted")
    }
    guard found.type == type, found.shape == shape else {
      throw invalid(
        "tensor \(quoted(name)) is \(found.type) \(found.shape); \(type) \(shape) is wanted")
    }
    return found
  }

  /// The floats of an F32 tensor of this shape, all of which are finite and at least `least`.
  func finiteFloats(
    _ name: String, _ shape: [Int], least: Float? = nil
  ) throws(ARMSError) -> UnsafePointer<Float> {
    let tensor = try tensor(name, type: .f32, shape: shape)
    guard let start = tensor.data.baseAddress else { throw invalid("tensor \(quoted(name)) is empty") }
    let values = start.assumingMemoryBound(to: Float.self)
    let least = least ?? -.greatestFiniteMagnitude
    for index in 0..<shape.reduce(1, *) {
      let value: Float = values[index]
      if value.isFinite && value >= least { continue }
      throw invalid("tensor \(quoted(name)) has \(value) at \(index); the file is damaged")
    }
    return UnsafePointer(values)
  }

  /// The error that this file is damaged or contradicts itself in the way that `text` says.
  func invalid(_ text: String) -> ARMSError {
    ARMSError(.invalidModel, "\(printable(path)): \(text)")
  }
}
