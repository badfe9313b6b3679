/// Which parameters of a router are trained, and where the others come from.
struct TrainingPlan {
  let file: ModelFile
  let number: Int
  let network: RouterNetwork
  let pool: CandidatePool
  let limits: ImageLimits
  let textLayers: TrainedLayers?
  let imageLayers: TrainedLayers?

  /// Throws `invalidArgument` or `unsupported`, see ``Trainer/init(_:number:options:)``.
  init(
    _ base: RouterSnapshot, number: Int, limits: ImageLimits, scope: TrainingScope
  ) throws(ARMSError) {
    file = base.model.file
    self.number = number
    self.limits = limits
    pool = base.pools[number]
    network = base.model.networks[number]
    textLayers = try TrainedLayers(last: scope.textLayers, of: network.text.blocks.count, "text")
    imageLayers = try TrainedLayers(last: scope.imageLayers, of: network.image?.blocks.count ?? 0, "image")
    guard imageLayers == nil || network.image != nil else {
      throw ARMSError(
        .invalidArgument, "this router has no image encoder to train; train the head or the text encoder")
    }
    let others = base.model.networks.enumerated().filter { $0.offset != number }.map(\.element)
    for (name, isTrained, isShared) in [
      ("text", textLayers != nil, others.contains { [network] in $0.text === network.text }),
      ("image", imageLayers != nil, others.contains { [network] in $0.image === network.image }),
    ] where isTrained && isShared {
      throw ARMSError(
        .unsupported,
        "both routers of this file share the \(name) encoder, and training it for one would change the other; "
          + "train the head alone, or give the second router its own")
    }
    guard textLayers != nil else { return }
    let given = pool.candidates.filter { $0.profile.isEmpty }.map { quoted($0.name) }
    guard given.isEmpty else {
      throw ARMSError(
        .invalidArgument,
        "the text encoder cannot be trained: \(given.joined(separator: ", ")) came by embedding alone, which a new "
          + "encoder would not give; add them with a profile, or remove them")
    }
  }

  /// How the keys and the tensors of this router's own parts begin.
  var headNames: (key: String, tensor: String) { number == 0 ? ("arms.", "") : ("arms.second.", "second.") }

  private func encoderNames(_ key: String) -> (key: String, tensor: String) {
    number == 1 && file.has("arms.second.\(key).block_count") ? headNames : ("arms.", "")
  }

  var deltaName: String { headNames.tensor + "candidate.delta" }
  var betaName: String { headNames.tensor + "candidate.beta" }

  /// Copies of everything that is trained: text encoder, image encoder, head, candidates.
  func parameters() throws(ARMSError) -> ParameterSet {
    func trained(_ all: [Parameter], _ layers: TrainedLayers?, _ tower: String, prefix: String) -> [Parameter]
    {
      guard let layers else { return [] }
      return all.filter { layers.contain(String($0.name.dropFirst(prefix.count)), tower: tower) }
    }
    let encoders =
      trained(network.text.parameters, textLayers, "t", prefix: encoderNames("text").tensor)
      + trained(network.image?.parameters ?? [], imageLayers, "v", prefix: encoderNames("vision").tensor)
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

  /// The layers: on `parameters` where they are trained, on the file where not.
  func layers(on parameters: ParameterSet) throws(ARMSError) -> (TrainedText, TrainedImage?, Head) {
    let file = ModelFile(self.file, replacing: parameters.tensors)
    let (textNames, imageNames) = (encoderNames("text"), encoderNames("vision"))
    let text =
      textLayers == nil
      ? network.text : try TextEncoder(file, key: textNames.key, prefix: textNames.tensor)
    let image =
      imageLayers == nil
      ? network.image : try ImageEncoder(file, key: imageNames.key, prefix: imageNames.tensor)
    let head = try Head(file, key: headNames.key, prefix: headNames.tensor, text: text, image: image)
    let wantsTokens = head.fusion == .patches
    func type(_ name: String) -> TensorType? { self.file.tensor(name)?.type }
    let textName = network.text.featureName(
      below: textLayers, type: type(textNames.tensor + "t.blk.0.attn_q.weight"))
    let imageName = network.image?.featureName(
      below: imageLayers, type: type(imageNames.tensor + "v.blk.0.attn_q.weight"), tokens: wantsTokens)
    return (
      TrainedText(encoder: text, layers: textLayers, featureName: textName, names: textNames),
      image.map {
        TrainedImage(
          encoder: $0, layers: imageLayers, featureName: imageName, names: imageNames,
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
