/// The parameters that are trained, as float32 in one flat buffer, and their gradients in another of the same
/// layout.
///
/// Hosts that train data-parallel exchange the flat gradient buffer. Each parameter begins at a multiple of 16
/// floats; what lies between is 0 in both buffers and stays so. Not safe to share between threads while it
/// is trained.
final class ParameterSet: @unchecked Sendable {
  // The buffers are written by the one trainer that owns the set. That is why @unchecked holds.
  struct Entry {
    let parameter: Parameter
    /// Where it begins, in floats.
    let offset: Int
  }

  let entries: [Entry]
  /// The adapters among the parameters, by the weights that the layers read. Set before the set is trained.
  var adapters: [UnsafePointer<Float>: LowRankAdapter] = [:]
  /// Floats of each buffer.
  let count: Int
  private let valueBuffer: AlignedBuffer
  private let gradientBuffer: AlignedBuffer

  var values: UnsafeMutablePointer<Float> { valueBuffer.pointer(to: Float.self) }
  var gradients: UnsafeMutablePointer<Float> { gradientBuffer.pointer(to: Float.self) }

  /// Takes over the present values of `parameters`.
  init(_ parameters: [Parameter]) throws(ARMSError) {
    var entries: [Entry] = []
    var offset = 0
    for parameter in parameters {
      entries.append(Entry(parameter: parameter, offset: offset))
      offset += parameter.count.roundedUp(toMultipleOf: 16)
    }
    self.entries = entries
    count = offset
    valueBuffer = try AlignedBuffer(Float.self, count: offset, purpose: "\(parameters.count) parameters")
    gradientBuffer = try AlignedBuffer(Float.self, count: offset, purpose: "\(parameters.count) gradients")
    for entry in entries { entry.parameter.copy(into: values + entry.offset) }
  }

  /// The parameter of that name.
  subscript(name: String) -> Entry? { entries.first { $0.parameter.name == name } }

  /// The parameters as F32 tensors in place, for layers that read what is trained.
  var tensors: [TensorInfo] {
    entries.map { $0.parameter.tensor(at: values + $0.offset) }
  }
}

/// Finds the place of a parameter's gradient: the same as its own, in the other buffer.
struct Gradients {
  private let values: UnsafePointer<Float>
  private let count: Int
  private let gradients: UnsafeMutablePointer<Float>
  private let adapters: [UnsafePointer<Float>: LowRankAdapter]
  /// Whether gradients are added to those that are there: a batch that is larger than one pass.
  let accumulates: Bool

  init(of set: ParameterSet, accumulates: Bool) {
    values = UnsafePointer(set.values)
    count = set.count
    adapters = set.adapters
    gradients = set.gradients
    self.accumulates = accumulates
  }

  private init(_ other: Gradients, accumulates: Bool) {
    values = other.values
    count = other.count
    adapters = other.adapters
    gradients = other.gradients
    self.accumulates = accumulates
  }

  /// The same places, added to or set.
  func accumulating(_ accumulates: Bool) -> Gradients { Gradients(self, accumulates: accumulates) }

  /// Where the gradient of the parameter at `parameter` goes.
  func of(_ parameter: UnsafePointer<Float>) -> UnsafeMutablePointer<Float> {
    gradients + (parameter - values)
  }

  /// Whether the parameter at `parameter` is trained. What is not lies elsewhere.
  func contain(_ parameter: UnsafePointer<Float>) -> Bool {
    parameter >= values && parameter < values + count
  }

  /// The adapter that is trained in place of the weight at `weight`.
  func adapter(of weight: UnsafePointer<Float>) -> LowRankAdapter? { adapters[weight] }
}
