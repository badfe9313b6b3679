/// A value as JSON text without spaces, as Python's `json.dumps` writes it with `ensure_ascii=False`.
struct JSON {
  let text: String

  private init(text: String) { self.text = text }

  /// A string.
  init(_ string: String) {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{8}": text += "\\b"
      case "\u{c}": text += "\\f"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    self.text = text + "\""
  }

  /// An integer.
  init(_ number: some FixedWidthInteger) { text = "\(number)" }

  /// A number; JSON has none for NaN and infinities, which become null.
  init(_ number: Double) { text = number.isFinite ? "\(number)" : "null" }

  /// A number in the fewest digits that a float needs.
  init(_ number: Float) { text = number.isFinite ? "\(number)" : "null" }

  /// A truth value.
  init(_ value: Bool) { text = value ? "true" : "false" }

  /// A list.
  init(_ elements: [JSON]) { text = "[" + elements.map(\.text).joined(separator: ",") + "]" }

  /// An object, its members in this order.
  init(_ members: KeyValuePairs<String, JSON>) {
    text = "{" + members.map { "\(JSON($0.key).text):\($0.value.text)" }.joined(separator: ",") + "}"
  }

  /// The value of a key; nil for one that is damaged.
  init?(_ value: MetadataValue) {
    guard value.type == .array else {
      switch value.type {
      case .string:
        guard let bytes = value.stringBytes, let string = String(validating: bytes, as: UTF8.self) else {
          return nil
        }
        self.init(string)
      case .bool:
        guard let truth = value.bool else { return nil }
        self.init(truth)
      case .float32, .float64:
        guard let number = value.float else { return nil }
        self.init(number)
      default:
        guard let number = value.integer else { return nil }
        self.init(number)
      }
      return
    }
    switch value.elementType {
    case .float32: self.init(value.elements(UInt32.self).map { JSON(Float(bitPattern: $0)) })
    case .float64: self.init(value.elements(UInt64.self).map { JSON(Double(bitPattern: $0)) })
    case .uint32: self.init(value.elements(UInt32.self).map { JSON($0) })
    case .int32: self.init(value.elements(Int32.self).map { JSON($0) })
    case .uint64: self.init(value.elements(UInt64.self).map { JSON($0) })
    case .int64: self.init(value.elements(Int64.self).map { JSON($0) })
    case .bool, .uint8: self.init(value.elements(UInt8.self).map { JSON($0) })
    case .string: self.init(strings: value)
    default: return nil
    }
  }

  private init?(strings value: MetadataValue) {
    var cursor = ByteCursor(value.payload, file: "")
    var elements: [JSON] = []
    for _ in 0..<value.count {
      guard let bytes = try? cursor.string(""), let string = String(validating: bytes, as: UTF8.self) else {
        return nil
      }
      elements.append(JSON(string))
    }
    self.init(elements)
  }
}
