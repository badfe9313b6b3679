// Values of keys, by the type that the caller wants. A missing key, another type or a value out of range
// throws `invalidModel`; with `default:` a missing key is no error, a wrong one still is.

extension ModelFile {
  /// The string of `key`, checked to be UTF-8.
  func string(_ key: String) throws(ARMSError) -> String {
    let value = try require(key, "a string")
    guard let bytes = value.stringBytes else { throw wrongType(key, value, "a string") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw invalid("the string of key \(quoted(key)) is not UTF-8")
    }
    return text
  }

  /// The number of `key`, of any integer type, in 0...Int32.max.
  func uint32(_ key: String) throws(ARMSError) -> Int {
    let value = try require(key, "an integer")
    guard let number = value.integer else { throw wrongType(key, value, "an integer") }
    guard (0...Int(Int32.max)).contains(number) else {
      throw invalid("key \(quoted(key)) is \(number); 0 to \(Int32.max) is wanted")
    }
    return number
  }

  /// The number of `key`, of either float type, finite.
  func float(_ key: String) throws(ARMSError) -> Float {
    let value = try require(key, "a float")
    guard let number = value.float else { throw wrongType(key, value, "a float") }
    guard number.isFinite else {
      throw invalid("key \(quoted(key)) is \(number); a finite number is wanted")
    }
    return number
  }

  /// The truth value of `key`.
  func bool(_ key: String) throws(ARMSError) -> Bool {
    let value = try require(key, "a bool")
    guard value.type == .bool else { throw wrongType(key, value, "a bool") }
    guard let truth = value.bool else { throw invalid("key \(quoted(key)) is a bool of neither 0 nor 1") }
    return truth
  }

  /// The string of `key`, or `default` if the file lacks the key.
  func string(_ key: String, default: String) throws(ARMSError) -> String {
    has(key) ? try string(key) : `default`
  }

  /// The number of `key`, or `default` if the file lacks the key.
  func uint32(_ key: String, default: Int) throws(ARMSError) -> Int {
    has(key) ? try uint32(key) : `default`
  }

  /// The number of `key`, or `default` if the file lacks the key.
  func float(_ key: String, default: Float) throws(ARMSError) -> Float {
    has(key) ? try float(key) : `default`
  }
}

extension ModelFile {
  /// The value of a key that must be there; `wanted` is for the message if it is not.
  func require(_ key: String, _ wanted: String) throws(ARMSError) -> MetadataValue {
    guard let value = value(key) else {
      throw invalid("has no key \(quoted(key)); \(wanted) is wanted")
    }
    return value
  }

  /// The error that `key` has a value of another type than `wanted`.
  func wrongType(_ key: String, _ value: MetadataValue, _ wanted: String) -> ARMSError {
    invalid("key \(quoted(key)) is of type \(value.typeName); \(wanted) is wanted")
  }
}
