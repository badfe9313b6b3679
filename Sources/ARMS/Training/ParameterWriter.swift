/// Adds trained parameters to a file that is being written, in the type that it has there.
struct ParameterWriter {
  /// Whether also float32 values are copied, so that what was given may change.
  let copying: Bool

  /// Adds `parameter` with the given values, `[count]`, which must stay until the file is written.
  ///
  /// Throws `notFinite` for a value that is no number, `unsupported` for one beyond the type's range.
  func add(
    _ parameter: Parameter, _ values: UnsafePointer<Float>, as type: WeightType, to writer: inout GGUFWriter
  ) throws(ARMSError) {
    for index in 0..<parameter.count where !values[index].isFinite {
      throw ARMSError(
        .notFinite,
        "parameter \(quoted(parameter.name)) has \(values[index]) at \(index); the training went wrong")
    }
    if case .float = parameter.source { return try addFloats(parameter, values, to: &writer) }
    switch type {
    case .f32: try addFloats(parameter, values, to: &writer)
    case .f16: try addSmall(parameter, values, .f16, SmallFloat.half, to: &writer)
    case .bf16: try addSmall(parameter, values, .bf16, SmallFloat.bfloat16, to: &writer)
    case .int8: try addInt8(parameter, values, to: &writer)
    }
  }

  private func addFloats(
    _ parameter: Parameter, _ values: UnsafePointer<Float>, to writer: inout GGUFWriter
  ) throws(ARMSError) {
    guard copying else {
      let bytes = UnsafeRawBufferPointer(start: values, count: parameter.count * MemoryLayout<Float>.stride)
      return writer.add(tensor: parameter.name, type: .f32, shape: parameter.shape, data: bytes)
    }
    let buffer = try AlignedBuffer(Float.self, count: parameter.count, purpose: "tensor \(parameter.name)")
    buffer.pointer(to: Float.self).update(from: values, count: parameter.count)
    add(parameter.name, .f32, parameter.shape, buffer, to: &writer)
  }

  private func addSmall(
    _ parameter: Parameter, _ values: UnsafePointer<Float>, _ type: TensorType, _ bits: (Float) -> UInt16?,
    to writer: inout GGUFWriter
  ) throws(ARMSError) {
    let buffer = try AlignedBuffer(UInt16.self, count: parameter.count, purpose: "tensor \(parameter.name)")
    let target = buffer.pointer(to: UInt16.self)
    for index in 0..<parameter.count {
      guard let small = bits(values[index]) else {
        throw ARMSError(
          .unsupported,
          "parameter \(quoted(parameter.name)) has \(values[index]), beyond the range of \(type); save as f32"
        )
      }
      target[index] = small
    }
    add(parameter.name, type, parameter.shape, buffer, to: &writer)
  }

  private func addInt8(
    _ parameter: Parameter, _ values: UnsafePointer<Float>, to writer: inout GGUFWriter
  ) throws(ARMSError) {
    var (rows, columns) = (parameter.rows, parameter.columns)
    var source = values
    var transposed: AlignedBuffer?
    switch parameter.source {
    case .key(_, let heads), .int8Key(_, let heads):
      let width = rows / heads
      let buffer = try AlignedBuffer(Float.self, count: parameter.count, purpose: "a key matrix")
      let target = buffer.pointer(to: Float.self)
      for row in 0..<rows {
        for column in 0..<columns {
          target[(row / width * columns + column) * width + row % width] = values[row * columns + column]
        }
      }
      transposed = buffer
      (source, rows, columns) = (UnsafePointer(target), heads * columns, width)
    default: break
    }
    let matrix = try QuantizedMatrix(source, rows: rows, columns: columns)
    extendLifetime(transposed)
    switch parameter.source {
    case .table, .int8Rows:
      add(parameter.name, .i8, parameter.shape, matrix.values, to: &writer)
      add("\(parameter.name).scale", .f32, [rows], matrix.scale, to: &writer)
    default:
      let packed = try matrix.packed()
      add(parameter.name, .i8, packed.shape, packed.blocks, to: &writer)
      add("\(parameter.name).scale", .f32, [packed.shape[0] * 16], matrix.scale, to: &writer)
      add("\(parameter.name).colsum", .i32, [packed.shape[0] * 16], packed.columnSums, to: &writer)
    }
  }

  private func add(
    _ name: String, _ type: TensorType, _ shape: [Int], _ buffer: AlignedBuffer, to writer: inout GGUFWriter
  ) {
    let bytes = type.size(of: shape) ?? 0
    writer.add(
      tensor: name, type: type, shape: shape, data: UnsafeRawBufferPointer(start: buffer.start, count: bytes),
      owner: .memory(buffer))
  }
}
