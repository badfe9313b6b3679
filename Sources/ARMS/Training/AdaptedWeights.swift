/// The frozen matrices of layers whose adapters are trained, in float32, each with its adapter's change.
///
/// Layers read them as their weights, so that forward passes and the gradients of inputs are those of the merged model.
/// Whoever changes the adapters merges again before the layers run. Not safe to share between threads meanwhile.
final class AdaptedWeights: @unchecked Sendable {
  // The buffer is written by the one trainer that owns it. That is why @unchecked holds.
  struct Entry {
    /// What the model file has.
    let weight: Parameter
    /// nil: the layers only read floats where the file has int8.
    let adapter: LowRankAdapter?
    let values: UnsafeMutablePointer<Float>
  }

  let entries: [Entry]
  private let buffer: AlignedBuffer

  /// Takes over the values of `weights`, with the adapters that `parameters` has of them.
  init(_ weights: [Parameter], parameters: ParameterSet, alpha: Float) throws(ARMSError) {
    let counts = weights.map { $0.count.roundedUp(toMultipleOf: 16) }
    buffer = try AlignedBuffer(
      Float.self, count: counts.reduce(0, +), purpose: "\(weights.count) adapted weights")
    var values = buffer.pointer(to: Float.self)
    var entries: [Entry] = []
    for (weight, count) in zip(weights, counts) {
      let names = LowRankAdapter.names(of: weight.name)
      let adapter = try parameters[names.a].map { (a) throws(ARMSError) in
        LowRankAdapter(
          rank: a.parameter.rows, alpha: alpha, a: UnsafePointer(parameters.values + a.offset),
          b: try parameters.start(of: names.b))
      }
      weight.copy(into: values)
      entries.append(Entry(weight: weight, adapter: adapter, values: values))
      values += count
    }
    self.entries = entries
  }

  /// The entries that have an adapter.
  var adapted: [(weight: Parameter, adapter: LowRankAdapter, values: UnsafeMutablePointer<Float>)] {
    entries.compactMap { entry in entry.adapter.map { (entry.weight, $0, entry.values) } }
  }

  /// Writes every adapter's present change.
  func merge(on engine: Engine) throws(ARMSError) {
    try engine.execute { (execution) throws(ARMSError) in
      for (weight, adapter, values) in adapted { try weight.merge(adapter, into: values, on: execution) }
    }
  }

  /// The weights as F32 tensors in place.
  var tensors: [TensorInfo] { entries.map { $0.weight.tensor(at: $0.values) } }
}
