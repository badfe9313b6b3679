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
  /// What the kernels want for a product with these rows, `scratchStride` bytes for each thread. One row wants none.
  private let scratch: UnsafeMutablePointer<UInt8>?
  private let scratchStride: Int

  /// Takes room for `rows` rows of at most `columns` columns, and for products with them, from the execution's arena.
  init(rows: Int, columns: Int, on execution: Execution) throws(ARMSError) {
    let arena = execution.arena
    stride = (columns + 3) & ~3
    values = try arena.allocate(UInt8.self, rows * stride)
    scale = try arena.allocate(Float.self, rows)
    zero = try arena.allocate(Int32.self, rows)
    scratchStride = rows > 1 ? execution.kernels.linear_scratch : 0
    scratch =
      scratchStride > 0 ? try arena.allocate(UInt8.self, scratchStride * execution.pool.threads) : nil
  }

  private init(_ other: QuantizedRows, from row: Int, stride: Int) {
    values = other.values + row * stride
    self.stride = stride
    scale = other.scale + row
    zero = other.zero + row
    scratch = other.scratch
    scratchStride = other.scratchStride
  }

  /// The scratch memory of a thread.
  func scratch(of worker: Int) -> UnsafeMutableRawPointer? {
    scratch.map { UnsafeMutableRawPointer($0 + worker * scratchStride) }
  }

  /// The same memory, for rows of another width that fit in it.
  func reshaped(columns: Int) -> QuantizedRows {
    QuantizedRows(self, from: 0, stride: (columns + 3) & ~3)
  }

  /// The rows from `row` on.
  func advanced(by row: Int) -> QuantizedRows {
    QuantizedRows(self, from: row, stride: stride)
  }
}
