import CKernels

/// Makes layers of the tensors of a model file.
///
/// What lies in the file in the form that the kernels read is used in place; F16 and BF16 are converted into
/// memory of their own. The layers point into both: keep the file and ``owned`` as long as the layers.
final class WeightReader {
  let file: ModelFile
  /// What stands before every tensor's name: "" or "second.".
  let prefix: String
  /// Whether a layer may be int8, in whose quantisation NaN would be lost.
  private let mayQuantize: Bool
  private(set) var owned: [AlignedBuffer] = []
  /// What was read so far, as training sees it.
  private(set) var parameters: [Parameter] = []
  private var recorded: Set<String> = []

  /// The most inputs of an int8 matrix. The kernels compute `sum - zero * colsum` in int32, and a file's
  /// column sums may contradict its weights: up to here either term stays below 2^30 whatever they are.
  private static let int8InputLimit = 32_768

  init(file: ModelFile, prefix: String) {
    self.file = file
    self.prefix = prefix
    mayQuantize = file.tensorNames.contains { $0.hasPrefix(prefix) && file.tensor($0)?.type == .i8 }
  }

  /// Whether the tensor is there.
  func has(_ name: String) -> Bool { file.tensor(prefix + name) != nil }

  /// An F32 tensor in place, all of whose values are finite.
  func float(_ name: String, _ shape: [Int]) throws(ARMSError) -> UnsafePointer<Float> {
    let values = try file.finiteFloats(prefix + name, shape)
    record(name, shape, .float(values))
    return values
  }

  private func check(_ values: UnsafePointer<Float>, count: Int, _ name: String) throws(ARMSError) {
    for index in 0..<count where !values[index].isFinite {
      throw file.invalid(
        "tensor \"\(prefix + name)\" has \(values[index]) at \(index); finite numbers are wanted")
    }
  }

  /// An F32 vector in place, all of whose values are finite.
  func vector(_ name: String, _ count: Int) throws(ARMSError) -> UnsafePointer<Float> {
    try float(name, [count])
  }

  /// A LayerNorm, `name.weight` and `name.bias`.
  func layerNorm(_ name: String, width: Int, epsilon: Float) throws(ARMSError) -> LayerNorm {
    LayerNorm(
      width: width, gamma: try vector("\(name).weight", width), beta: try vector("\(name).bias", width),
      epsilon: epsilon)
  }

  /// A linear layer, `name.weight` and, if it has one, `name.bias`.
  func linear(
    _ name: String, inputs: Int, outputs: Int, bias hasBias: Bool = true
  ) throws(ARMSError) -> Linear {
    let weight: Linear.Weight =
      if try type(of: "\(name).weight") == .i8 {
        .int8(try int8("\(name).weight", inputs: inputs, outputs: outputs))
      } else {
        .float(try matrix("\(name).weight", [outputs, inputs]))
      }
    let source: Parameter.Source =
      switch weight {
      case .float(let values): .matrix(values)
      case .int8(let packed): .int8(packed)
      }
    record("\(name).weight", [outputs, inputs], source)
    let bias = hasBias ? try vector("\(name).bias", outputs) : nil
    return Linear(inputs: inputs, outputs: outputs, weight: weight, bias: bias)
  }

  /// Linear layers that read the same input: of one type, and with the same smoothing.
  func sharingInput(_ layers: [Linear], _ name: String) throws(ARMSError) {
    guard let first = layers.first else { return }
    for layer in layers {
      guard layer.isInt8 == first.isInt8 else {
        throw file.invalid("\(prefix + name) mixes int8 and float weights that read one input; use one type")
      }
      guard case .int8(let weight) = layer.weight, case .int8(let reference) = first.weight else { continue }
      let same =
        switch (weight.smooth, reference.smooth) {
        case (nil, nil): true
        case (let left?, let right?): (0..<layer.inputs).allSatisfy { left[$0] == right[$0] }
        default: false
        }
      guard same else {
        throw file.invalid("\(prefix + name) has layers that read one input and smooth it differently")
      }
    }
  }

  /// A table of row vectors, by id.
  func table(_ name: String, rows: Int, width: Int) throws(ARMSError) -> EmbeddingTable {
    if try type(of: name) == .i8 {
      let values = try bind(file.tensor(prefix + name, type: .i8, shape: [rows, width]), to: Int8.self)
      let scale = try file.finiteFloats("\(prefix)\(name).scale", [rows])
      record(name, [rows, width], .int8Rows(values, scale: scale))
      return EmbeddingTable(rows: rows, width: width, storage: .int8(values, scale: scale))
    }
    let values = try matrix(name, [rows, width])
    record(name, [rows, width], .table(values))
    return EmbeddingTable(rows: rows, width: width, storage: .float(values))
  }

  /// The key matrix `name.weight`, `[width, inputs]`, of an attention with one query: as trained, or in int8
  /// transposed head by head.
  func keyMatrix(
    _ name: String, inputs: Int, width: Int, heads: Int
  ) throws(ARMSError) -> ExpertAttention.KeyFold {
    let source: Parameter.Source
    let fold: ExpertAttention.KeyFold
    if try type(of: "\(name).weight") == .i8 {
      let weight = try int8("\(name).weight", inputs: width / heads, outputs: heads * inputs)
      (source, fold) = (.int8Key(weight, heads: heads), .int8(weight))
    } else {
      let values = try matrix("\(name).weight", [width, inputs])
      (source, fold) = (.key(values, heads: heads), .float(values))
    }
    record("\(name).weight", [width, inputs], source)
    return fold
  }

  private func record(_ name: String, _ shape: [Int], _ source: Parameter.Source) {
    // Several layers may read one tensor.
    guard recorded.insert(name).inserted else { return }
    parameters.append(Parameter(name: prefix + name, shape: shape, source: source))
  }

  /// The type of a tensor that must be there.
  private func type(of name: String) throws(ARMSError) -> TensorType {
    guard let tensor = file.tensor(prefix + name) else {
      throw file.invalid("has no tensor \"\(prefix + name)\"")
    }
    return tensor.type
  }

  /// A matrix in float32.
  ///
  /// It is large, and NaN in it reaches the scores, where it is found, unless a layer quantises what it makes: only then
  /// are its values read here.
  private func matrix(_ name: String, _ shape: [Int]) throws(ARMSError) -> UnsafePointer<Float> {
    let values = try floats(name, shape)
    if mayQuantize { try check(values, count: shape.reduce(1, *), name) }
    return values
  }

  /// The values of a matrix in place, or converted from F16 or BF16.
  private func floats(_ name: String, _ shape: [Int]) throws(ARMSError) -> UnsafePointer<Float> {
    let type = try type(of: name)
    switch type {
    case .f32: return try bind(file.tensor(prefix + name, type: .f32, shape: shape), to: Float.self)
    case .f16, .bf16:
      let source = try bind(file.tensor(prefix + name, type: type, shape: shape), to: UInt16.self)
      let count = shape.reduce(1, *)
      let buffer = try AlignedBuffer(Float.self, count: count, purpose: "tensor \(prefix + name)")
      let target = buffer.pointer(to: Float.self)
      if type == .f16 {
        for index in 0..<count { target[index] = Self.float(halfBits: source[index]) }
      } else {
        for index in 0..<count { target[index] = Float(bitPattern: UInt32(source[index]) << 16) }
      }
      owned.append(buffer)
      return UnsafePointer(target)
    default:
      throw file.invalid("tensor \"\(prefix + name)\" is \(type); F32, F16, BF16 or I8 is wanted")
    }
  }

  private func int8(_ name: String, inputs: Int, outputs: Int) throws(ARMSError) -> Int8Weight {
    let (blocks, groups) = ((outputs + 15) / 16, (inputs + 3) / 4)
    guard inputs <= Self.int8InputLimit else {
      throw ARMSError(
        .unsupported,
        "\(printable(file.path)): \(prefix + name) has \(inputs) inputs; "
          + "int8 takes \(Self.int8InputLimit) at most")
    }
    let packed = try bind(
      file.tensor(prefix + name, type: .i8, shape: [blocks, groups, 64]), to: Int8.self)
    let scale = try file.finiteFloats("\(prefix)\(name).scale", [16 * blocks])
    let sums = try bind(
      file.tensor(prefix + name + ".colsum", type: .i32, shape: [16 * blocks]), to: Int32.self)
    for channel in 0..<16 * blocks where Int(sums[channel].magnitude) > 128 * 4 * groups {
      throw file.invalid(
        "tensor \"\(prefix + name).colsum\" has \(sums[channel]) at \(channel); "
          + "no sum of \(inputs) int8 is that large")
    }
    let smooth = has("\(name).smooth") ? try file.finiteFloats("\(prefix)\(name).smooth", [inputs]) : nil
    return Int8Weight(
      packed: packed, scale: scale, columnSum: sums, smooth: smooth, depth: 4 * groups, blocks: blocks)
  }

  private func bind<T>(_ tensor: TensorInfo, to type: T.Type) throws(ARMSError) -> UnsafePointer<T> {
    guard let start = tensor.data.baseAddress else {
      throw file.invalid("tensor \"\(tensor.name)\" is empty")
    }
    return start.assumingMemoryBound(to: type)
  }

  /// An IEEE half as a float. Swift's Float16 would do, but x86-64 has it only with newer run-time support.
  private static func float(halfBits bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 31
    let fraction = UInt32(bits & 1023)
    if exponent == 31 { return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13) }
    if exponent == 0 {
      let magnitude = Float(fraction) * 0x1p-24
      return sign == 0 ? magnitude : -magnitude
    }
    return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}
