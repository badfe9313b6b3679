extension Trainer {
  /// Writes what training changed as a small file: the adapters in float32, and the head and the candidates as they
  /// would stand in the router's file. ``Router/applyAdapter(from:candidates:)`` adds it to the weights that the trainer
  /// was made with. The file at `path` is replaced in one step when all bytes are on disk, or left as it is.
  ///
  /// Throws `invalidArgument` if no adapters are trained, and as ``save(to:type:)``.
  public func saveAdapter(to path: String) throws(ARMSError) {
    guard let adapted, let adapters = options.adapters else {
      throw ARMSError(
        .invalidArgument, "this trainer has no adapters; make one with a rank, or save the whole router")
    }
    let trained = try TrainedModel(self, type: nil, copying: false)
    let (model, names) = (trained.snapshot.model, network.head.parameters.map(\.name))
    var writer = GGUFWriter()
    writer.set("general.type", .string("adapter"))
    writer.set("adapter.type", .string("lora"))
    writer.set("adapter.lora.alpha", .float32(adapters.scaling))
    writer.set("arms.adapter.base", .string(base.model.hash.hexDigest()))
    writer.set("arms.adapter.router", .uint32(UInt32(number)))
    let kept = Set(
      names + names.flatMap { ["\($0).scale", "\($0).colsum"] } + trained.encoderKeys
        + [RouterPrefix(router: number).recordKey])
    writer.add(model.file) { kept.contains($0) }
    for (weight, _, _) in adapted.adapted {
      let names = LowRankAdapter.names(of: weight.name)
      for entry in [parameters[names.a], parameters[names.b]].compactMap({ $0 }) {
        let tensor = entry.parameter.tensor(at: parameters.values + entry.offset)
        writer.add(tensor: tensor.name, type: tensor.type, shape: tensor.shape, data: tensor.data)
      }
    }
    trained.snapshot.pools[number].write(to: &writer, number: number)
    // The writer holds pointers into all of these.
    try withExtendedLifetime((trained, self)) { () throws(ARMSError) in try writer.write(to: path) }
  }
}
