/// The value of a key as it lies in the file: decoded only when asked for.
///
/// The accessors answer nil for a value of another type, or one that does not fit.
struct MetadataValue: @unchecked Sendable {
  let type: GGUF.ValueType
  /// The type of the elements if `type` is `array`, else `type`.
  let elementType: GGUF.ValueType
  /// The number of elements; 1 if `type` is not `array`.
  let count: Int
  /// The elements, one after the other. Inside the file, so it lives as long as its `FileBytes`.
  let payload: UnsafeRawBufferPointer

  /// Takes a value of a known type and checks that it lies in the file; `key` is for messages.
  init(_ cursor: inout ByteCursor, key: String) throws(ARMSError) {
    type = try Self.type(&cursor, key)
    guard type == .array else {
      elementType = type
      count = 1
      if let size = type.size {
        payload = try cursor.take(size, "the value of key \(quoted(key))")
      } else {
        payload = try cursor.strings(1, "the value of key \(quoted(key))")
      }
      return
    }
    elementType = try Self.type(&cursor, key)
    switch elementType.size {
    case let size?:
      count = try cursor.count(itemSize: size, "elements in key \(quoted(key))")
      // No overflow: count <= remaining / size.
      payload = try cursor.take(count * size, "key \(quoted(key))")
    case nil where elementType == .string:
      count = try cursor.count(itemSize: 8, "strings in key \(quoted(key))")
      payload = try cursor.strings(count, "a string of key \(quoted(key))")
    case nil:
      throw cursor.invalid("key \(quoted(key)) is an array of arrays; only flat arrays are read")
    }
  }

  private static func type(_ cursor: inout ByteCursor, _ key: String) throws(ARMSError) -> GGUF.ValueType {
    let number = try cursor.uint32("the type of key \(quoted(key))")
    guard let type = GGUF.ValueType(rawValue: number) else {
      throw cursor.invalid("key \(quoted(key)) has value type \(number); types 0 to 12 exist")
    }
    return type
  }
}

extension MetadataValue {
  /// The type in words, for messages.
  var typeName: String { type == .array ? "array of \(count) \(elementType)" : "\(type)" }

  /// The value of any integer type, if it fits.
  var integer: Int? {
    switch type {
    case .uint8: Int(load(UInt8.self))
    case .int8: Int(load(Int8.self))
    case .uint16: Int(load(UInt16.self))
    case .int16: Int(load(Int16.self))
    case .uint32: Int(load(UInt32.self))
    case .int32: Int(load(Int32.self))
    case .uint64: Int(exactly: load(UInt64.self))
    case .int64: Int(exactly: load(Int64.self))
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  /// The value of either float type, rounded to single precision.
  var float: Float? {
    switch type {
    case .float32: Float(bitPattern: load(UInt32.self))
    case .float64: Float(Double(bitPattern: load(UInt64.self)))
    default: nil
    }
  }

  /// The value of a bool whose byte is 0 or 1.
  var bool: Bool? {
    guard type == .bool else { return nil }
    let byte = load(UInt8.self)
    return byte <= 1 ? byte == 1 : nil
  }

  /// The bytes of a string.
  var stringBytes: UnsafeRawBufferPointer? {
    type == .string ? UnsafeRawBufferPointer(rebasing: payload.dropFirst(8)) : nil
  }

  private func load<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> T {
    T(littleEndian: payload.loadUnaligned(as: T.self))
  }

  /// The elements of an array of integers of the width of `T`, or of as wide floats as their bits.
  func elements<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> [T] {
    let stride = MemoryLayout<T>.size
    return (0..<count).map {
      T(littleEndian: payload.loadUnaligned(fromByteOffset: $0 * stride, as: T.self))
    }
  }
}
