// Arrays of keys. Each must have exactly the element type that its name says.

extension ModelFile {
  /// The u32 array of `key`.
  func uint32Array(_ key: String) throws(ARMSError) -> [UInt32] {
    try array(key, of: .uint32).elements(UInt32.self)
  }

  /// The i32 array of `key`.
  func int32Array(_ key: String) throws(ARMSError) -> [Int32] {
    try array(key, of: .int32).elements(Int32.self)
  }

  /// The f32 array of `key`. NaN and infinity are passed on: in some keys they have a meaning.
  func floatArray(_ key: String) throws(ARMSError) -> [Float] {
    try array(key, of: .float32).elements(UInt32.self).map { Float(bitPattern: $0) }
  }

  /// The f64 array of `key`. NaN and infinity are passed on: in some keys they have a meaning.
  func float64Array(_ key: String) throws(ARMSError) -> [Double] {
    try array(key, of: .float64).elements(UInt64.self).map { Double(bitPattern: $0) }
  }

  /// The bool array of `key`.
  func boolArray(_ key: String) throws(ARMSError) -> [Bool] {
    let bytes = try array(key, of: .bool).payload
    for (index, byte) in bytes.enumerated() where byte > 1 {
      throw invalid("element \(index) of key \(quoted(key)) is the bool \(byte); 0 or 1 is wanted")
    }
    return bytes.map { $0 == 1 }
  }

  /// The string array of `key`, in place and not checked to be UTF-8: for vocabularies.
  func strings(_ key: String) throws(ARMSError) -> StringArray {
    let value = try array(key, of: .string)
    guard let strings = StringArray(value, in: file) else {
      throw invalid("the strings of key \(quoted(key)) are damaged, or more than 4 GiB")
    }
    return strings
  }

  /// The string array of `key`, copied and checked to be UTF-8: for names.
  func stringArray(_ key: String) throws(ARMSError) -> [String] {
    let strings = try strings(key)
    var copies: [String] = []
    copies.reserveCapacity(strings.count)
    for index in 0..<strings.count {
      guard let text = String(validating: strings[index], as: UTF8.self) else {
        throw invalid("string \(index) of key \(quoted(key)) is not UTF-8")
      }
      copies.append(text)
    }
    return copies
  }

  private func array(_ key: String, of type: GGUF.ValueType) throws(ARMSError) -> MetadataValue {
    let value = try require(key, "an array of \(type)")
    guard value.type == .array, value.elementType == type else {
      throw wrongType(key, value, "an array of \(type)")
    }
    return value
  }
}
