import CKernels

/// A linear layer `y = W x + b`, with `W` in float32 or int8.
///
/// It points into the model file or into buffers that the ``WeightReader`` made; whoever owns those owns the
/// layer. FORMAT.md describes the int8 layout.
struct Linear {
  /// Where the weights lie.
  enum Weight {
    /// Row-major `[outputs, inputs]`.
    case float(UnsafePointer<Float>)
    case int8(Int8Weight)
  }

  let inputs: Int
  let outputs: Int
  let weight: Weight
  /// `[outputs]`, or nil.
  let bias: UnsafePointer<Float>?

  var isInt8: Bool {
    if case .int8 = weight { true } else { false }
  }
}

/// A packed int8 matrix with a scale for each output channel.
struct Int8Weight {
  /// `[blocks, depth / 4, 64]`
  let packed: UnsafePointer<Int8>
  /// `[16 blocks]`
  let scale: UnsafePointer<Float>
  /// `[16 blocks]`
  let columnSum: UnsafePointer<Int32>
  /// `[inputs]`, or nil: what the input is multiplied by before it is quantised.
  let smooth: UnsafePointer<Float>?
  /// Inputs, rounded up to a multiple of 4.
  let depth: Int
  /// Blocks of 16 output channels.
  let blocks: Int
}

/// Rows of activations as a linear layer reads them.
struct LinearInput {
  let rows: Int
  /// `[rows, stride]`; what float weights read.
  let float: UnsafePointer<Float>
  let stride: Int
  /// What int8 weights read; nil if the layer is float.
  let quantized: QuantizedRows?
}

/// Rows quantised to u8: `x = scale * (value - zero)`.
struct QuantizedRows {
  /// `[rows, stride]`
  let values: UnsafeMutablePointer<UInt8>
  let stride: Int
  /// `[rows]`
  let scale: UnsafeMutablePointer<Float>
  /// `[rows]`
  let zero: UnsafeMutablePointer<Int32>

  /// Takes room for `rows` rows of at most `columns` columns from the arena.
  init(rows: Int, columns: Int, in arena: ScratchArena) throws(ARMSError) {
    stride = (columns + 3) & ~3
    values = try arena.allocate(UInt8.self, rows * stride)
    scale = try arena.allocate(Float.self, rows)
    zero = try arena.allocate(Int32.self, rows)
  }

  private init(
    values: UnsafeMutablePointer<UInt8>, stride: Int,
    scale: UnsafeMutablePointer<Float>, zero: UnsafeMutablePointer<Int32>
  ) {
    self.values = values
    self.stride = stride
    self.scale = scale
    self.zero = zero
  }

  /// The same memory, for rows of another width that fit in it.
  func reshaped(columns: Int) -> QuantizedRows {
    QuantizedRows(values: values, stride: (columns + 3) & ~3, scale: scale, zero: zero)
  }

  /// The rows from `row` on.
  func advanced(by row: Int) -> QuantizedRows {
    QuantizedRows(values: values + row * stride, stride: stride, scale: scale + row, zero: zero + row)
  }
}
