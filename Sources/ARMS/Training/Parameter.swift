/// A tensor of the model that training can change: its name in the file, its true shape, and its present
/// values in whatever form the file has them.
struct Parameter {
  /// Where the values are, and what the tensor is, which decides the forms it may have in a file.
  enum Source {
    /// Always F32: a vector, the gate, positions.
    case float(UnsafePointer<Float>)
    /// The weight of a linear layer.
    case matrix(UnsafePointer<Float>)
    case int8(Int8Weight)
    /// A matrix that an int8 file holds transposed head by head.
    case key(UnsafePointer<Float>, heads: Int)
    case int8Key(Int8Weight, heads: Int)
    /// Rows that are looked up.
    case table(UnsafePointer<Float>)
    case int8Rows(UnsafePointer<Int8>, scale: UnsafePointer<Float>)
    /// Not of the file: a matrix of an adapter, which begins at 0.
    case adapter
  }

  /// As in FORMAT.md, with the router's prefix.
  let name: String
  /// Row-major, one or two dimensions.
  let shape: [Int]
  let source: Source
  /// Whether weight decay applies: to matrices, not to biases, norms, alpha, beta or single learned vectors.
  let decays: Bool

  init(name: String, shape: [Int], source: Source, decays: Bool? = nil) {
    self.name = name
    self.shape = shape
    self.source = source
    self.decays = decays ?? (shape.count > 1 && shape[0] > 1)
  }

  var count: Int { shape.reduce(1, *) }
  var columns: Int { shape.last ?? 1 }
  var rows: Int { shape.count > 1 ? shape[0] : 1 }

  /// Writes the values in float32, `[count]`, as they were before a file's quantisation reordered them.
  func copy(into out: UnsafeMutablePointer<Float>) {
    for row in 0..<rows { copy(row: row, into: out + row * columns) }
  }

  /// Writes a row of the values, `[columns]`.
  func copy(row: Int, into out: UnsafeMutablePointer<Float>) {
    switch source {
    case .float(let values), .matrix(let values), .key(let values, _), .table(let values):
      out.update(from: values + row * columns, count: columns)
    case .int8(let weight):
      weight.copy(row: row, columns: columns, into: out)
    case .int8Key(let weight, let heads):
      // Rows j d_p ... of the file are W_K[j]ᵀ.
      let width = rows / heads
      for column in 0..<columns { out[column] = weight.value(row / width * columns + column, row % width) }
    case .int8Rows(let values, let scale):
      for column in 0..<columns { out[column] = Float(values[row * columns + column]) * scale[row] }
    case .adapter:
      out.update(repeating: 0, count: columns)
    }
  }

  /// The parameter as an F32 tensor whose values are at `values`, which the caller keeps.
  func tensor(at values: UnsafePointer<Float>) -> TensorInfo {
    TensorInfo(
      name: name, type: .f32, shape: shape,
      data: UnsafeRawBufferPointer(start: values, count: count * MemoryLayout<Float>.stride), owner: .caller)
  }
}

extension Int8Weight {
  /// Writes the weights to output `row`, `[columns]`, with the smoothing of their inputs.
  fileprivate func copy(row: Int, columns: Int, into out: UnsafeMutablePointer<Float>) {
    let values = packed + row / 16 * depth * 16 + row % 16 * 4
    for column in 0..<columns { out[column] = Float(values[(column >> 2) * 64 + (column & 3)]) * scale[row] }
    guard let smooth else { return }
    for column in 0..<columns { out[column] *= smooth[column] }
  }

  /// The weight from input `column` to output `row`, with the smoothing that its input is multiplied by.
  fileprivate func value(_ row: Int, _ column: Int) -> Float {
    let group = row / 16 * (depth / 4) + column / 4
    let value = Float(packed[group * 64 + row % 16 * 4 + column % 4]) * scale[row]
    return smooth.map { value * $0[column] } ?? value
  }
}
