extension Head {
  /// Reads the head whose keys and tensors begin with `prefix`, for encoders of the given widths.
  convenience init(
    _ file: ModelFile, prefix: RouterPrefix, text: TextEncoder, image: ImageEncoder?
  ) throws(ARMSError) {
    let sizes = try HeadConfiguration(file, key: prefix.key, text: text, image: image)
    let reader = WeightReader(file: file, prefix: prefix.tensor)
    let experts = try (0..<sizes.experts).map { (index) throws(ARMSError) in
      try reader.expert(index, sizes)
    }
    let gate = Gate(
      experts: sizes.experts, inputs: sizes.questionWidth + sizes.imageWidth,
      weight: try reader.float("gate.weight", [sizes.experts, sizes.questionWidth + sizes.imageWidth]),
      bias: try reader.vector("gate.bias", sizes.experts), topK: sizes.topK)
    let classifier = try reader.classifier(sizes)
    let noImage = try reader.vector("no_image.pooled", sizes.imageWidth)
    let noImageTokens =
      sizes.fusion == .patches ? try reader.float("no_image.tokens", [1, sizes.patchWidth]) : nil
    self.init(
      file: file, owned: reader.owned, parameters: reader.parameters, fusion: sizes.fusion, gate: gate,
      experts: experts, classifier: classifier, noImage: noImage, noImageTokens: noImageTokens,
      maxImages: sizes.maxImages, questionWidth: sizes.questionWidth, imageWidth: sizes.imageWidth)
  }
}

/// The sizes of a head, as the keys of the model file and its encoders give them.
struct HeadConfiguration {
  let fusion: Fusion
  let head: LogitHead
  let logitBounds: (minimum: Float, maximum: Float)
  let sharedWidth: Int
  let epsilon: Float
  let cosineEpsilon: Float
  let topK: Int
  let experts: Int
  let heads: Int
  let attentionWidth: Int
  let feedForward: Int
  let expertWidth: Int
  let maxImages: Int
  let questionWidth: Int
  let imageWidth: Int
  let patchWidth: Int

  /// The most experts of a router, `ARMS_EXPERT_CAPACITY` of the C header.
  static let expertCapacity = 32

  init(_ file: ModelFile, key: String, text: TextEncoder, image: ImageEncoder?) throws(ARMSError) {
    fusion = try Self.choice(file, "\(key)fusion")
    head = try Self.choice(file, "\(key)head")
    logitBounds = (
      try file.float("\(key)logit_min", default: -4), try file.float("\(key)logit_max", default: 4)
    )
    sharedWidth = try file.size("\(key)shared_width", 1...65_536)
    epsilon = try file.float("\(key)layer_norm_epsilon")
    cosineEpsilon = try file.float("\(key)cosine_epsilon")
    topK = try file.uint32("\(key)gate.top_k", default: 0)
    experts = try file.size("\(key)expert.count", 1...Self.expertCapacity)
    heads = try file.size("\(key)expert.attention.head_count", 1...65_536)
    attentionWidth = try file.size("\(key)expert.attention.width", 1...65_536)
    feedForward = try file.size("\(key)expert.feed_forward_length", 1...65_536)
    expertWidth = try file.size("\(key)expert.output_length", 1...65_536)
    maxImages = try file.size("\(key)max_images", 1...4_096)
    questionWidth = text.width
    imageWidth = if let image { image.width } else { try Self.imageWidth(file, key) }
    patchWidth = image?.patchWidth ?? 0
    guard image != nil || fusion != .patches else {
      throw file.invalid(
        "\(key)fusion is \"patches\", which needs an image encoder, and there is no \(key)vision.block_count")
    }
    guard attentionWidth % heads == 0 else {
      throw file.invalid(
        "\(key)expert.attention.width \(attentionWidth) is not a multiple of its head count \(heads)")
    }
    guard epsilon > 0, cosineEpsilon > 0 else {
      throw file.invalid("\(key)layer_norm_epsilon and cosine_epsilon must be above 0")
    }
    guard logitBounds.minimum < logitBounds.maximum else {
      throw file.invalid("\(key)logit_min is not below logit_max")
    }
  }

  /// `d_v` of a router without an image encoder. A second one may have the first's.
  private static func imageWidth(_ file: ModelFile, _ key: String) throws(ARMSError) -> Int {
    let own = "\(key)vision.projection_length"
    return try file.size(file.has(own) ? own : "arms.vision.projection_length", 1...65_536)
  }

  private static func choice<T: RawRepresentable<String> & CaseIterable>(
    _ file: ModelFile, _ key: String
  ) throws(ARMSError) -> T {
    let name = try file.string(key)
    guard let value = T(rawValue: name) else {
      let known = T.allCases.map(\.rawValue).joined(separator: ", ")
      throw file.invalid("\(key) is \"\(name)\"; one of \(known) is wanted")
    }
    return value
  }
}

extension WeightReader {
  fileprivate func expert(_ index: Int, _ sizes: HeadConfiguration) throws(ARMSError) -> FusionExpert {
    let name = "expert.\(index)"
    let (width, joined) = (sizes.attentionWidth, sizes.questionWidth + sizes.attentionWidth)
    let image: FusionExpert.ImagePath =
      switch sizes.fusion {
      case .concat:
        .concat(try linear("\(name).image", inputs: sizes.imageWidth, outputs: width))
      case .pooled:
        .pooled(
          value: try linear("\(name).attn_v", inputs: sizes.imageWidth, outputs: width),
          output: try linear("\(name).attn_out", inputs: width, outputs: width))
      case .patches:
        .patches(
          try expertAttention(name, sizes),
          output: try linear("\(name).attn_out", inputs: width, outputs: width))
      }
    return FusionExpert(
      image: image, norm: try layerNorm("\(name).ln", width: joined, epsilon: sizes.epsilon),
      up: try linear("\(name).ffn_up", inputs: joined, outputs: sizes.feedForward),
      down: try linear("\(name).ffn_down", inputs: sizes.feedForward, outputs: sizes.expertWidth),
      questionWidth: sizes.questionWidth)
  }

  private func expertAttention(
    _ name: String, _ sizes: HeadConfiguration
  ) throws(ARMSError) -> ExpertAttention {
    let (width, patchWidth, heads) = (sizes.attentionWidth, sizes.patchWidth, sizes.heads)
    let query = try linear("\(name).attn_q", inputs: sizes.questionWidth, outputs: width)
    let key = try keyMatrix("\(name).attn_k", inputs: patchWidth, width: width, heads: heads)
    if query.isInt8, case .float = key {
      throw file.invalid("\(prefix + name).attn_k is not int8 although attn_q is")
    }
    return ExpertAttention(
      heads: heads, width: width, patchWidth: patchWidth, query: query, key: key,
      value: try linear("\(name).attn_v", inputs: patchWidth, outputs: width),
      imageIndex: try float("image_index.weight", [sizes.maxImages, patchWidth]))
  }

  fileprivate func classifier(_ sizes: HeadConfiguration) throws(ARMSError) -> Classifier {
    let joined = sizes.questionWidth + sizes.expertWidth
    let logit: Classifier.Logit =
      switch sizes.head {
      case .paper: .paper(minimum: sizes.logitBounds.minimum, maximum: sizes.logitBounds.maximum)
      case .scaled: .scaled(alpha: try vector("classifier.alpha", 1))
      }
    return Classifier(
      norm: try layerNorm("classifier.ln", width: joined, epsilon: sizes.epsilon),
      query: try linear("classifier.query", inputs: joined, outputs: sizes.sharedWidth),
      candidate: try linear(
        "classifier.candidate", inputs: sizes.questionWidth, outputs: sizes.sharedWidth, bias: false),
      logit: logit, cosineEpsilon: sizes.cosineEpsilon)
  }
}
