/// Puts a model file together and writes it in one step.
///
/// A new writer has the three keys that make a file a model of ours: `general.architecture`,
/// `general.alignment` and `arms.format_version`. Keys and tensors are written in the order in which they
/// were first given. What is wrong with them is said by `write`.
///
/// Not safe to share between threads.
struct GGUFWriter {
  private var keys: [(name: String, value: GGUFValue)] = []
  private var positions: [String: Int] = [:]
  private var tensors: [TensorInfo] = []
  /// The files whose keys are to be written again, kept alive until then.
  private var sources: [ModelFile] = []

  init(_ architecture: GGUF.Architecture = .model) {
    set("general.architecture", .string(architecture.rawValue))
    set("general.alignment", .uint32(UInt32(FileBytes.alignment)))
    set("arms.format_version", .uint32(UInt32(ModelFile.formatVersion)))
  }

  /// Gives `key` a value, in place of the one that it may have.
  mutating func set(_ key: String, _ value: GGUFValue) {
    if let position = positions[key] {
      keys[position].value = value
    } else {
      positions[key] = keys.count
      keys.append((key, value))
    }
  }

  /// Adds a tensor of row-major `shape`. The elements are little-endian, and stay unchanged until the last `write`;
  /// `owner` keeps them alive, or the caller does.
  mutating func add(
    tensor name: String, type: TensorType, shape: [Int], data: UnsafeRawBufferPointer,
    owner: TensorInfo.Owner = .caller
  ) {
    tensors.append(TensorInfo(name: name, type: type, shape: shape, data: data, owner: owner))
  }

  /// Writes the file: aside, in the same directory, then in place of what is at `path`.
  ///
  /// A failure leaves the old file as it was and nothing else behind. A process killed meanwhile leaves
  /// the old file too, and a temporary; see `FileReplacement`.
  ///
  /// Errors: `invalidArgument` for keys or tensors that make no valid file, `io`.
  func write(to path: String) throws(ARMSError) {
    let header = try encodeHeader(path, tensors)
    let file = try FileReplacement(path)
    try header.bytes.span.bytes.withUnsafeBytes { (bytes) throws(ARMSError) in
      try file.write(padding: bytes)
    }
    for tensor in tensors { try file.write(padding: tensor.data) }
    try file.commit()
  }
}

extension GGUFWriter {
  /// The model without writing it: its tensors stay where they are, and keep alive no more than that. `name` stands in
  /// messages where the path would.
  func modelFile(_ name: String) throws(ARMSError) -> ModelFile {
    let header = try encodeHeader(name, [])
    let bytes = try header.bytes.span.bytes.withUnsafeBytes { (bytes) throws(ARMSError) in
      try FileBytes(copying: bytes)
    }
    return try ModelFile(header: bytes, tensors: tensors, name: name)
  }

  /// Everything before the data of the tensors, of which `listed` are named. All are checked.
  private func encodeHeader(_ path: String, _ listed: [TensorInfo]) throws(ARMSError) -> GGUFBuffer {
    try check(path)
    var header = GGUFBuffer()
    header.append(GGUF.magic)
    header.append(GGUF.version)
    header.append(UInt64(listed.count))
    header.append(UInt64(keys.count))
    for (name, value) in keys {
      header.append(name)
      value.encode(into: &header)
    }
    var offset: UInt64 = 0
    for tensor in listed {
      header.append(tensor.name)
      header.append(UInt32(tensor.shape.count))
      for dimension in tensor.shape.reversed() { header.append(UInt64(dimension)) }
      header.append(tensor.type.rawValue)
      header.append(offset)
      offset += UInt64(tensor.data.count.roundedUp(toMultipleOf: FileBytes.alignment))
    }
    return header
  }

  /// Checks what the reader would refuse.
  private func check(_ path: String) throws(ARMSError) {
    func refuse(_ text: String) -> ARMSError {
      ARMSError(.invalidArgument, "\(printable(path)): cannot write: \(text)")
    }
    guard keys.count <= GGUF.entryLimit, tensors.count <= GGUF.entryLimit else {
      throw refuse("\(keys.count) keys and \(tensors.count) tensors; at most \(GGUF.entryLimit) are allowed")
    }
    for (name, _) in keys where !GGUF.isName(name.utf8) {
      throw refuse("key \(quoted(name)) is not \(GGUF.nameRule)")
    }
    var names: Set<String> = []
    for tensor in tensors {
      let name = quoted(tensor.name)
      guard GGUF.isName(tensor.name.utf8) else { throw refuse("tensor \(name) is not \(GGUF.nameRule)") }
      guard names.insert(tensor.name).inserted else { throw refuse("tensor \(name) was added twice") }
      guard tensor.shape.count <= GGUF.dimensionLimit, tensor.shape.allSatisfy({ $0 > 0 }) else {
        throw refuse(
          "tensor \(name) has shape \(tensor.shape); at most \(GGUF.dimensionLimit) dimensions, "
            + "of at least 1 each, are allowed")
      }
      guard let size = tensor.type.size(of: tensor.shape) else {
        throw refuse("the size of tensor \(name), \(tensor.type) \(tensor.shape), is not known")
      }
      guard tensor.data.count == size else {
        throw refuse(
          "tensor \(name), \(tensor.type) \(tensor.shape), has \(tensor.data.count) bytes; "
            + "\(size) are wanted")
      }
    }
  }
}

extension GGUFWriter {
  /// Adds the keys and tensors of `file` whose names satisfy `isIncluded`, as they are and without copying them.
  /// Tensors of types that are not known here are left out. The file is kept alive.
  mutating func add(_ file: ModelFile, where isIncluded: (String) -> Bool) {
    add(file) { isIncluded($0) ? $0 : nil }
  }

  /// The same under other names; nil leaves a key or tensor out.
  mutating func add(_ file: ModelFile, as newName: (String) -> String?) {
    sources.append(file)
    for key in file.keys {
      if let name = newName(key), let value = file.value(key) { set(name, .stored(value)) }
    }
    for name in file.tensorNames {
      guard let newName = newName(name), let tensor = file.tensor(name), tensor.isKnown else { continue }
      add(
        tensor: newName, type: tensor.type, shape: tensor.shape, data: tensor.data, owner: tensor.owner)
    }
  }
}
