/// The type in which a file's matrices are stored.
public enum WeightType: String, Sendable, CaseIterable {
  /// As they are.
  case f32
  /// IEEE half, up to 65,504.
  case f16
  /// The upper half of a float.
  case bf16
  /// int8 with a scale for each output channel.
  case int8
}

extension WeightType {
  /// The type of a tensor that holds a matrix.
  init(_ type: TensorType) {
    switch type {
    case .f16: self = .f16
    case .bf16: self = .bf16
    case .i8: self = .int8
    default: self = .f32
    }
  }
}

/// The bits of smaller floating-point types, rounded to nearest, ties to even.
enum SmallFloat {
  /// The bits of a bfloat16, or nil for a value beyond its range or NaN.
  static func bfloat16(_ value: Float) -> UInt16? {
    guard value.isFinite else { return nil }
    let bits = value.bitPattern
    let rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return rounded & 0x7F80 == 0x7F80 ? nil : UInt16(truncatingIfNeeded: rounded)
  }

  /// The bits of an IEEE half, or nil for a value beyond its range or NaN.
  static func half(_ value: Float) -> UInt16? {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16 & 0x8000)
    let magnitude = value.magnitude
    // 65,520 is where rounding reaches infinity.
    guard magnitude < 65_520 else { return nil }
    if magnitude < 0x1p-14 {
      // Subnormal: multiples of 2^-24; 1,024 of them are the smallest normal number's bits.
      return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
    }
    let bits = magnitude.bitPattern
    let rounded = bits + 0xFFF + (bits >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded >> 13) - (112 << 10))
  }
}
