// Opening: the header from front to back, then the checks that need all of it.

extension ModelFile {
  /// Takes magic, version and the two counts.
  static func readCounts(_ cursor: inout ByteCursor) throws(ARMSError) -> (keys: Int, tensors: Int) {
    guard cursor.remaining >= 4, try cursor.uint32("the magic") == GGUF.magic else {
      throw cursor.invalid("is not a GGUF file: it does not begin with \"GGUF\"")
    }
    let version = try cursor.uint32("the version")
    guard version == GGUF.version else {
      let isBigEndian = version.byteSwapped >= 1 && version.byteSwapped <= GGUF.version
      throw ARMSError(
        .unsupported,
        "\(printable(cursor.file)): is "
          + (isBigEndian ? "a big-endian GGUF file" : "GGUF version \(version)")
          + "; little-endian GGUF version \(GGUF.version) is read")
    }
    let tensors = try cursor.uint64("the number of tensors")
    let keys = try cursor.uint64("the number of keys")
    return (
      try count(keys, "keys", atLeast: 8 + 1 + 4 + 1, cursor),
      try count(tensors, "tensors", atLeast: TensorHeader.minimumSize, cursor)
    )
  }

  /// A number of keys or tensors, once it is clear that so many can follow.
  private static func count(
    _ claimed: UInt64, _ what: String, atLeast size: Int, _ cursor: ByteCursor
  ) throws(ARMSError) -> Int {
    guard let count = Int(exactly: claimed), count <= cursor.remaining / size else {
      throw cursor.invalid("claims \(claimed) \(what), but only \(cursor.remaining) bytes follow")
    }
    guard count <= GGUF.entryLimit else {
      throw cursor.invalid("has \(count) \(what); at most \(GGUF.entryLimit) are read")
    }
    return count
  }

  /// Takes all keys with their values.
  static func readKeys(
    _ cursor: inout ByteCursor, _ count: Int
  ) throws(ARMSError) -> ([String], [String: MetadataValue]) {
    var names: [String] = []
    var values: [String: MetadataValue] = [:]
    names.reserveCapacity(count)
    values.reserveCapacity(count)
    for index in 0..<count {
      let name = try cursor.name("key \(index)")
      let value = try MetadataValue(&cursor, key: name)
      guard values.updateValue(value, forKey: name) == nil else {
        throw cursor.invalid("has key \(quoted(name)) twice")
      }
      names.append(name)
    }
    return (names, values)
  }

  /// Checks that this is a model of ours in a version that this code reads, before anything else is asked
  /// of it: a file of another kind should be told so, and not that a tensor is missing.
  static func checkIdentity(
    _ values: [String: MetadataValue], _ wanted: GGUF.Architecture, _ cursor: ByteCursor
  ) throws(ARMSError) {
    let file = printable(cursor.file)
    guard let architecture = values["general.architecture"]?.stringBytes else {
      throw cursor.invalid("has no string \"general.architecture\"; \(quoted(wanted.rawValue)) is wanted")
    }
    guard architecture.elementsEqual(wanted.rawValue.utf8) else {
      let found = quoted(String(decoding: architecture, as: UTF8.self))
      throw ARMSError(
        .unsupported,
        "\(file): is a model of architecture \(found); \(quoted(wanted.rawValue)) is wanted")
    }
    guard let version = values["arms.format_version"]?.integer else {
      throw cursor.invalid("has no integer \"arms.format_version\"; \(formatVersion) is wanted")
    }
    guard version == formatVersion else {
      throw ARMSError(.unsupported, "\(file): has format version \(version); \(formatVersion) is read")
    }
    let alignment = values["general.alignment"].map { $0.integer } ?? GGUF.defaultAlignment
    guard alignment == FileBytes.alignment else {
      let found = alignment.map { "\($0)" } ?? "no integer"
      throw cursor.invalid("\"general.alignment\" is \(found); \(FileBytes.alignment) is wanted")
    }
  }

  /// Takes the tensor table and finds every tensor's data.
  static func readTensors(
    _ cursor: inout ByteCursor, _ count: Int, in file: FileBytes
  ) throws(ARMSError) -> ([String], [String: TensorInfo]) {
    var headers: [TensorHeader] = []
    headers.reserveCapacity(count)
    for index in 0..<count { headers.append(try TensorHeader(&cursor, index: index)) }
    let section = dataSection(cursor)
    var ranges: [Range<Int>] = []
    ranges.reserveCapacity(count)
    for header in headers { ranges.append(try range(of: header, in: section, cursor)) }
    try checkOverlap(headers, ranges, cursor)

    var tensors: [String: TensorInfo] = [:]
    tensors.reserveCapacity(count)
    for (header, range) in zip(headers, ranges) {
      let tensor = TensorInfo(
        name: header.name, type: header.type, shape: header.shape,
        data: UnsafeRawBufferPointer(rebasing: section[range]), owner: .file(file))
      guard tensors.updateValue(tensor, forKey: header.name) == nil else {
        throw cursor.invalid("has tensor \(quoted(header.name)) twice")
      }
    }
    return (headers.map(\.name), tensors)
  }

  /// What follows the tensor table, from the next multiple of the alignment.
  private static func dataSection(_ cursor: ByteCursor) -> UnsafeRawBufferPointer {
    let start = cursor.offset.roundedUp(toMultipleOf: FileBytes.alignment)
    return UnsafeRawBufferPointer(rebasing: cursor.bytes.dropFirst(start))
  }

  /// Where a tensor's data lies in the data section.
  private static func range(
    of header: TensorHeader, in section: UnsafeRawBufferPointer, _ cursor: ByteCursor
  ) throws(ARMSError) -> Range<Int> {
    guard header.offset % UInt64(FileBytes.alignment) == 0 else {
      throw cursor.invalid(
        "tensor \(quoted(header.name)) begins at offset \(header.offset); "
          + "a multiple of \(FileBytes.alignment) is wanted")
    }
    guard let start = Int(exactly: header.offset), start <= section.count,
      header.size <= section.count - start
    else {
      throw cursor.invalid(
        "is cut off or damaged: tensor \(quoted(header.name)) has \(header.size) bytes at offset "
          + "\(header.offset) of the data, which has \(section.count)")
    }
    return start..<start + header.size
  }

  /// Checks that no byte belongs to two tensors.
  private static func checkOverlap(
    _ headers: [TensorHeader], _ ranges: [Range<Int>], _ cursor: ByteCursor
  ) throws(ARMSError) {
    let order = ranges.indices.sorted { ranges[$0].lowerBound < ranges[$1].lowerBound }
    for (first, second) in zip(order, order.dropFirst())
    where ranges[first].upperBound > ranges[second].lowerBound {
      throw cursor.invalid(
        "tensors \(quoted(headers[first].name)) and \(quoted(headers[second].name)) overlap")
    }
  }
}
