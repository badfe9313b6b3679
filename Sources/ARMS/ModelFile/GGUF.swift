/// The constants of the GGUF container, version 3.
///
/// Source: docs/gguf.md of ggml.
enum GGUF {
  /// The first four bytes, "GGUF", read as a little-endian number.
  static let magic: UInt32 = 0x4655_4747
  /// The version that is read and written.
  static let version: UInt32 = 3
  /// The alignment of tensor data where `general.alignment` is absent.
  static let defaultAlignment = 32
  /// The most dimensions of a tensor.
  static let dimensionLimit = 4
  /// The most bytes of a name of a key or tensor. The format allows this many for keys.
  static let nameLimit = 65_535
  /// The most keys and the most tensors. The format has no bound; this one keeps the tables that a hostile
  /// file makes the reader build to some megabytes, and is a hundred times what a model needs.
  static let entryLimit = 65_536

  /// What a file is, `general.architecture`.
  enum Architecture: String {
    /// A router, or with `general.type` "adapter" what is added to one (FORMAT.md).
    case model = "arms"
    /// The state of a training run.
    case checkpoint = "arms.checkpoint"
  }

  /// What a name must be, for messages.
  static let nameRule = "printable ASCII of 1 to \(nameLimit) bytes"

  /// Whether `bytes` may be the name of a key or tensor.
  ///
  /// The format asks for ASCII in keys. Here it also keeps names that differ in bytes different as Swift
  /// strings, and a message that quotes one on one line.
  static func isName(_ bytes: some Collection<UInt8>) -> Bool {
    (1...nameLimit).contains(bytes.count) && bytes.allSatisfy { (0x20...0x7e).contains($0) }
  }

  /// The type of a metadata value.
  enum ValueType: UInt32, Sendable {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case bool = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// Bytes of a value, or nil if values of the type differ in length.
    var size: Int? {
      switch self {
      case .uint8, .int8, .bool: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64: 8
      case .string, .array: nil
      }
    }
  }
}

/// The type of a tensor's elements: ggml's number for it.
///
/// A struct and not an enum, because a file may hold tensors of types that are not known here. They are
/// listed, and refused only where such a tensor is asked for.
struct TensorType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  let rawValue: UInt32

  static let f32 = TensorType(rawValue: 0)
  static let f16 = TensorType(rawValue: 1)
  static let i8 = TensorType(rawValue: 24)
  static let i16 = TensorType(rawValue: 25)
  static let i32 = TensorType(rawValue: 26)
  static let i64 = TensorType(rawValue: 27)
  static let f64 = TensorType(rawValue: 28)
  static let bf16 = TensorType(rawValue: 30)

  /// Bytes of an element, or nil for a type that is not known here, such as one quantised in blocks.
  var elementSize: Int? {
    switch self {
    case .i8: 1
    case .f16, .bf16, .i16: 2
    case .f32, .i32: 4
    case .f64, .i64: 8
    default: nil
    }
  }

  /// Bytes of a tensor of that shape, or nil if the type is not known here or they pass 2^63.
  func size(of shape: [Int]) -> Int? {
    guard var size = elementSize else { return nil }
    for dimension in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      if overflow { return nil }
      size = product
    }
    return size
  }

  var description: String {
    switch self {
    case .f32: "F32"
    case .f16: "F16"
    case .i8: "I8"
    case .i16: "I16"
    case .i32: "I32"
    case .i64: "I64"
    case .f64: "F64"
    case .bf16: "BF16"
    default: "ggml type \(rawValue)"
    }
  }
}
