/// What training with adapters changed in a router, in a file of its own (FORMAT.md, "Adapters").
///
/// The file is untrusted: it may change the weights that adapters can be of, the head and the candidates of one router,
/// and everything of it has the type and the shape that the router's weights ask for, or it is refused. The names of
/// adapted encoders are taken from it unproven, as from any model file: a false one lets encodings of other weights be
/// used with these.
struct AdapterFile {
  private let file: ModelFile
  private let model: RouterModel
  /// Whose networks: 0 the first router's, 1 the second's of a cascade.
  let number: Int
  private let prefix: RouterPrefix
  /// The weights that have an adapter.
  private let adapted: [(weight: Parameter, adapter: LowRankAdapter)]
  /// Whether any is of this encoder.
  private let changesText: Bool
  private let changesImage: Bool

  /// Reads the file at `path` as an adapter of `model`.
  ///
  /// Throws `io`, `invalidModel` for a damaged file, `unsupported` for one of another kind, `invalidArgument` for an
  /// adapter of other weights.
  init(path: String, copy: Bool, of model: RouterModel) throws(ARMSError) {
    let file = try ModelFile(path: path, copy: copy)
    guard try file.string("general.type", default: "model") == "adapter",
      try file.string("adapter.type") == "lora"
    else {
      throw ARMSError(
        .unsupported, "\(printable(path)): is no adapter; a file of low-rank adapters is wanted")
    }
    guard try file.string("arms.adapter.base") == model.hash.hexDigest() else {
      throw ARMSError(
        .invalidArgument,
        "\(printable(path)): is an adapter of another router's weights; apply it to the router that it was trained on"
      )
    }
    let number = try file.uint32("arms.adapter.router")
    guard model.networks.indices.contains(number) else {
      throw file.invalid(
        "arms.adapter.router is \(number); the router that it is of holds \(model.networks.count)")
    }
    let alpha = try file.float("adapter.lora.alpha")
    guard alpha > 0 else { throw file.invalid("adapter.lora.alpha is \(alpha); a number above 0 is wanted") }
    let (network, isShared) = (model.networks[number], model.sharesEncoders(of: number))
    let text = try file.adapters(of: isShared.text ? [] : network.text.parameters, alpha: alpha)
    let image = try file.adapters(of: isShared.image ? [] : network.image?.parameters ?? [], alpha: alpha)
    self.file = file
    self.model = model
    self.number = number
    prefix = RouterPrefix(router: number)
    adapted = text + image
    (changesText, changesImage) = (!text.isEmpty, !image.isEmpty)
    try checkKeys()
    try checkTensors()
  }

  /// The keys that are about the file, and those that a router with this adapter has in place of its own.
  private static let ownKeys: Set = [
    "general.architecture", "general.type", "general.alignment", "adapter.type", "adapter.lora.alpha",
    "arms.adapter.base", "arms.adapter.router", "arms.format_version",
  ]
  private var routerKeys: [String] {
    var keys = [prefix.recordKey]
    if changesText { keys.append("\(prefix.key)text.hash") }
    if changesImage { keys.append("\(prefix.key)vision.hash") }
    return keys
  }

  /// The tensors that take the place of the router's: the whole head.
  private var replacedTensors: [String] { model.networks[number].head.parameters.map(\.name) }

  private func checkKeys() throws(ARMSError) {
    guard file.has("\(prefix.key)candidate.names") else {
      throw file.invalid(
        "has no key \(quoted("\(prefix.key)candidate.names")); the trained candidates are wanted")
    }
    let known = Self.ownKeys.union(routerKeys).union(
      CandidatePool.keys.map { "\(prefix.key)candidate.\($0)" })
    for key in file.keys where !known.contains(key) {
      throw file.invalid("has a key \(quoted(key)), which no adapter of this router has")
    }
    for (section, isChanged) in [("text", changesText), ("vision", changesImage)] where isChanged {
      let key = "\(prefix.key)\(section).hash"
      guard try !file.string(key).isEmpty else {
        throw file.invalid("\(key) is empty; the name of the adapted encoder is wanted")
      }
    }
  }

  private func checkTensors() throws(ARMSError) {
    var known = Set(CandidatePool.tensors.map { "\(prefix.tensor)candidate.\($0)" })
    for (weight, _) in adapted {
      let names = LowRankAdapter.names(of: weight.name)
      known.formUnion([names.a, names.b])
    }
    for name in replacedTensors {
      guard let tensor = file.tensor(name) else {
        throw file.invalid("has no tensor \(quoted(name)); the whole head of the router is wanted")
      }
      guard let own = model.file.tensor(name), tensor.type == own.type else {
        throw file.invalid(
          "tensor \(quoted(name)) is \(tensor.type), and is another type in the router's file")
      }
      // Of an int8 matrix.
      let parts = ["\(name).scale", "\(name).colsum"].filter { model.file.tensor($0) != nil }
      known.formUnion([name] + parts)
    }
    for name in file.tensorNames where !known.contains(name) {
      throw file.invalid("has a tensor \(quoted(name)), which no adapter of this router has")
    }
  }
}

extension AdapterFile {
  /// `snapshot`, which has the weights that this is an adapter of, with the adapter's weights and candidates.
  ///
  /// Throws `invalidModel`, `unsupported`, `outOfMemory`.
  func applied(to snapshot: RouterSnapshot, on engine: Engine) throws(ARMSError) -> RouterSnapshot {
    let merged = try RouterModel(try mergedFile(on: engine))
    var pools = snapshot.pools
    pools[number] = try merged.networks[number].storedCandidates(in: merged.file, number: number, on: engine)
    let result = RouterSnapshot(generation: 1, model: merged, pools: pools)
    guard result.places.count == result.count else {
      throw file.invalid("holds a candidate twice, or one that the other router has; names must be unique")
    }
    return result
  }

  /// The model file of the router with this adapter.
  private func mergedFile(on engine: Engine) throws(ARMSError) -> ModelFile {
    var writer = GGUFWriter()
    writer.add(model.file, replacing: adapted.map(\.weight.name) + replacedTensors)
    let tensors = ParameterWriter(copying: true)
    for (weight, adapter) in adapted {
      let values = try AlignedBuffer(Float.self, count: weight.count, purpose: "tensor \(weight.name)")
      let start = values.pointer(to: Float.self)
      try engine.execute { (execution) throws(ARMSError) in
        try weight.merge(adapter, into: start, on: execution)
      }
      do throws(ARMSError) {
        try tensors.add(weight, start, as: model.file.weightType(of: weight.name), to: &writer)
      } catch {
        // NaN, or more than a half float holds.
        throw [.notFinite, .unsupported].contains(error.code) ? file.invalid(error.message) : error
      }
      extendLifetime(values)
    }
    let ownKeys = Self.ownKeys
    writer.add(file) { name in
      let isAdapter = name.hasSuffix(".lora_a") || name.hasSuffix(".lora_b")
      return !isAdapter && !ownKeys.contains(name)
    }
    return try writer.modelFile(model.file.path)
  }
}

extension ModelFile {
  /// The adapters that this file has of `weights`.
  fileprivate func adapters(
    of weights: [Parameter], alpha: Float
  ) throws(ARMSError) -> [(weight: Parameter, adapter: LowRankAdapter)] {
    var adapters: [(Parameter, LowRankAdapter)] = []
    for weight in weights where AdapterOptions.Targets.all.contain(weight.name) {
      let names = LowRankAdapter.names(of: weight.name)
      guard let a = tensor(names.a) else { continue }
      guard a.shape.count == 2, a.shape[0] <= min(weight.rows, weight.columns) else {
        throw invalid(
          "tensor \(quoted(names.a)) is \(a.type) \(a.shape); F32 [rank, \(weight.columns)] is wanted, "
            + "its rank at most \(min(weight.rows, weight.columns))")
      }
      let rank = a.shape[0]
      let adapter = LowRankAdapter(
        rank: rank, alpha: alpha, a: try finiteFloats(names.a, [rank, weight.columns]),
        b: try finiteFloats(names.b, [weight.rows, rank]))
      adapters.append((weight, adapter))
    }
    return adapters
  }
}
