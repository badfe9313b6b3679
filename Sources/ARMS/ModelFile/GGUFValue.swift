/// A value that `GGUFWriter` gives to a key.
enum GGUFValue: Sendable {
  case uint32(UInt32)
  case uint64(UInt64)
  case float32(Float)
  case bool(Bool)
  case string(String)
  case int32Array([Int32])
  case float64Array([Double])
  case boolArray([Bool])
  case stringArray([String])
  /// A value of another file, of any type, as its bytes are.
  case stored(MetadataValue)
}

extension GGUFValue {
  /// Appends type and value as they stand in a file.
  func encode(into buffer: inout GGUFBuffer) {
    switch self {
    case .uint32(let value): buffer.append(.uint32, value)
    case .uint64(let value): buffer.append(.uint64, value)
    case .float32(let value): buffer.append(.float32, value.bitPattern)
    case .bool(let value): buffer.append(.bool, UInt8(value ? 1 : 0))
    case .string(let value):
      buffer.append(type: .string)
      buffer.append(value)
    case .int32Array(let values): buffer.append(.int32, array: values)
    case .float64Array(let values): buffer.append(.float64, array: values.map(\.bitPattern))
    case .boolArray(let values): buffer.append(.bool, array: values.map { UInt8($0 ? 1 : 0) })
    case .stringArray(let values):
      buffer.append(arrayOf: .string, count: values.count)
      for value in values { buffer.append(value) }
    case .stored(let value):
      if value.type == .array {
        buffer.append(arrayOf: value.elementType, count: value.count)
      } else {
        buffer.append(type: value.type)
      }
      buffer.bytes.append(contentsOf: value.payload)
    }
  }
}

/// The header of a file as it is put together: numbers little-endian, strings behind their length.
struct GGUFBuffer {
  var bytes: [UInt8] = []

  mutating func append(_ number: some FixedWidthInteger) {
    withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(type: GGUF.ValueType) {
    append(type.rawValue)
  }

  mutating func append(arrayOf element: GGUF.ValueType, count: Int) {
    append(type: .array)
    append(type: element)
    append(UInt64(count))
  }

  mutating func append(_ type: GGUF.ValueType, _ number: some FixedWidthInteger) {
    append(type: type)
    append(number)
  }

  mutating func append(_ element: GGUF.ValueType, array: [some FixedWidthInteger]) {
    append(arrayOf: element, count: array.count)
    for number in array { append(number) }
  }
}
