/// Which parameters of a router are trained, and where the others come from.
struct TrainingPlan {
  let file: ModelFile
  let number: Int
  let network: RouterNetwork
  let pool: CandidatePool
  let limits: ImageLimits
  let adapters: AdapterOptions?
  let textLayers: TrainedLayers?
  let imageLayers: TrainedLayers?

  /// Throws `invalidArgument` or `unsupported`, see ``Trainer/init(_:number:options:)``.
  init(
    _ base: RouterSnapshot, number: Int, limits: ImageLimits, scope: TrainingScope,
    adapters: AdapterOptions? = nil
  ) throws(ARMSError) {
    file = base.model.file
    self.number = number
    self.limits = limits
    self.adapters = adapters
    pool = base.pools[number]
    network = base.model.networks[number]
    textLayers = try TrainedLayers(
      last: scope.textLayers, of: network.text.blocks.count, "text", adapted: adapters != nil)
    guard scope.imageLayers == 0 || network.image != nil else {
      throw ARMSError(
        .invalidArgument, "this router has no image encoder to train; train the head or the text encoder")
    }
    imageLayers = try TrainedLayers(
      last: scope.imageLayers, of: network.image?.blocks.count ?? 0, "image", adapted: adapters != nil)
    let isShared = base.model.sharesEncoders(of: number)
    for (name, isTrained, isShared) in [
      ("text", textLayers != nil, isShared.text), ("image", imageLayers != nil, isShared.image),
    ] where isTrained && isShared {
      throw ARMSError(
        .unsupported,
        "both routers of this file share the \(name) encoder, and training it for one would change the other; "
          + "train the head alone, or give the second router its own")
    }
    try checkSmoothing()
    guard textLayers != nil else { return }
    let given = pool.candidates.filter { $0.profile.isEmpty }.map { quoted($0.name) }
    guard given.isEmpty else {
      throw ARMSError(
        .invalidArgument,
        "the text encoder cannot be trained: \(given.joined(separator: ", ")) came by embedding alone, which a new "
          + "encoder would not give; add them with a profile, or remove them")
    }
  }

  /// Of this router's own parts.
  private var prefix: RouterPrefix { RouterPrefix(router: number) }

  /// Of an encoder, which may be the first router's: `section` is "text" or "vision".
  private func prefix(of section: String) -> RouterPrefix {
    file.has("\(prefix.key)\(section).block_count") ? prefix : .first
  }

  var deltaName: String { prefix.tensor + "candidate.delta" }
  var betaName: String { prefix.tensor + "candidate.beta" }

  /// The weights of the layers that the scope names, of both encoders.
  private var encoderParameters: [Parameter] {
    func named(
      _ all: [Parameter], _ layers: TrainedLayers?, _ tower: String, _ section: String
    ) -> [Parameter] {
      guard let layers else { return [] }
      let length = prefix(of: section).tensor.count
      return all.filter { layers.contain(String($0.name.dropFirst(length)), tower: tower) }
    }
    return named(network.text.parameters, textLayers, "t", "text")
      + named(network.image?.parameters ?? [], imageLayers, "v", "vision")
  }

  /// Throws `invalidArgument` if the trained layers could not be quantised again, which is without smoothing.
  private func checkSmoothing() throws(ARMSError) {
    guard let adapters, adapters.targets.dividesAttention else { return }
    for weight in encoderParameters where AdapterOptions.Targets.reading.contain(weight.name) {
      guard file.tensor("\(weight.name).smooth") == nil else {
        throw ARMSError(
          .invalidArgument,
          "lora_targets has some of query, key and value, which share the smoothing of \(quoted(weight.name)) in "
            + "this file; give all three, or none")
      }
    }
  }

  /// Copies of everything that is trained: text encoder, image encoder, head, candidates. In place of the encoders'
  /// weights adapters, if those are wanted.
  func parameters() throws(ARMSError) -> ParameterSet {
    var encoders = encoderParameters
    if let adapters {
      let weights = encoders.filter { adapters.targets.contain($0.name) }
      encoders = try weights.map { (weight) throws(ARMSError) in
        try weight.adapter(rank: adapters.rank)
      }.flatMap { $0 }
    }
    let betas = pool.candidates.map(\.beta)
    return try betas.withUnsafeBufferPointer { (betas) throws(ARMSError) in
      let first = betas.baseAddress ?? UnsafePointer(pool.deltas)
      return try ParameterSet(
        encoders + network.head.parameters + [
          Parameter(
            name: deltaName, shape: [pool.count, network.text.width], source: .float(pool.deltas),
            decays: true),
          Parameter(name: betaName, shape: [pool.count], source: .float(first)),
        ])
    }
  }

  /// The weights that the adapters among `parameters` change, and those that the backward pass needs in float32; nil
  /// without adapters. Begins the adapters, whose A is random by `seed`.
  func adaptedWeights(_ parameters: ParameterSet, seed: UInt64) throws(ARMSError) -> AdaptedWeights? {
    guard let adapters else { return nil }
    let weights = encoderParameters.filter { weight in
      if case .int8 = weight.source { true } else { adapters.targets.contain(weight.name) }
    }
    let adapted = try AdaptedWeights(weights, parameters: parameters, alpha: adapters.scaling)
    var random = SplitMix64(seed: seed)
    for (weight, adapter, values) in adapted.adapted {
      parameters.adapters[UnsafePointer(values)] = adapter
      let (a, bound) = (UnsafeMutablePointer(mutating: adapter.a), 1 / Float(weight.columns).squareRoot())
      for place in 0..<adapter.rank * weight.columns { a[place] = bound * random.nextSigned() }
    }
    return adapted
  }

  /// The layers: on `parameters` and `adapted` weights where they are trained, on the file where not.
  func layers(
    on parameters: ParameterSet, _ adapted: AdaptedWeights?
  ) throws(ARMSError) -> (TrainedText, TrainedImage?, Head) {
    let file = ModelFile(self.file, replacing: parameters.tensors + (adapted?.tensors ?? []))
    let (textPrefix, imagePrefix) = (prefix(of: "text"), prefix(of: "vision"))
    let text = textLayers == nil ? network.text : try TextEncoder(file, prefix: textPrefix)
    let image = imageLayers == nil ? network.image : try ImageEncoder(file, prefix: imagePrefix)
    let head = try Head(file, prefix: prefix, text: text, image: image)
    let wantsTokens = head.fusion == .patches
    let textName = network.text.featureName(
      below: textLayers, form: self.file.form(of: network.text.parameters, prefix: textPrefix))
    let imageName = network.image.flatMap { image in
      image.featureName(
        below: imageLayers, form: self.file.form(of: image.parameters, prefix: imagePrefix),
        tokens: wantsTokens)
    }
    return (
      TrainedText(encoder: text, layers: textLayers, featureName: textName, prefix: textPrefix),
      image.map {
        TrainedImage(
          encoder: $0, layers: imageLayers, featureName: imageName, prefix: imagePrefix,
          wantsTokens: wantsTokens, limits: limits)
      },
      head
    )
  }

  /// The tokens of each candidate's profile; none if the text encoder is frozen.
  func profileTokens() throws(ARMSError) -> [[Int32]] {
    guard textLayers != nil else { return [] }
    let encoder = network.text
    let room = UnsafeMutableBufferPointer<Int32>.allocate(capacity: encoder.contextLength)
    defer { room.deallocate() }
    return try pool.candidates.map { (candidate) throws(ARMSError) in
      let (count, _) = try encoder.tokenizer.encode(candidate.profile, into: room)
      return Array(room[..<count])
    }
  }
}

extension Parameter {
  /// A and B of an adapter of this weight. Throws `invalidArgument` for a rank that is no low one.
  fileprivate func adapter(rank: Int) throws(ARMSError) -> [Parameter] {
    guard rank <= min(rows, columns) else {
      throw ARMSError(
        .invalidArgument,
        "lora_rank is \(rank); at most \(min(rows, columns)), the smaller side of \(quoted(name)), is wanted"
      )
    }
    let names = LowRankAdapter.names(of: name)
    return [
      Parameter(name: names.a, shape: [rank, columns], source: .adapter, decays: true),
      Parameter(name: names.b, shape: [rows, rank], source: .adapter, decays: true),
    ]
  }
}
