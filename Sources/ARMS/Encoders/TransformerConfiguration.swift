import CKernels

/// The sizes of a transformer encoder, as the keys `<prefix>.*` of the model file give them.
struct TransformerConfiguration {
  let blockCount: Int
  let width: Int
  let feedForward: Int
  let heads: Int
  let epsilon: Float
  let activation: ck_activation

  /// Reads and checks the keys; `prefix` is "arms.text", say.
  init(_ file: ModelFile, prefix: String) throws(ARMSError) {
    blockCount = try file.size("\(prefix).block_count", 1...1_024)
    width = try file.size("\(prefix).embedding_length", 1...65_536)
    feedForward = try file.size("\(prefix).feed_forward_length", 1...65_536)
    heads = try file.size("\(prefix).attention.head_count", 1...65_536)
    epsilon = try file.float("\(prefix).attention.layer_norm_epsilon")
    guard width % heads == 0 else {
      throw file.invalid("\(prefix).embedding_length \(width) is not a multiple of its head count \(heads)")
    }
    guard epsilon > 0 else {
      throw file.invalid("\(prefix).attention.layer_norm_epsilon is \(epsilon); above 0 is wanted")
    }
    let name = try file.string("\(prefix).activation")
    switch name {
    case "gelu": activation = CK_GELU
    case "quick_gelu": activation = CK_QUICK_GELU
    default: throw file.invalid("\(prefix).activation is \"\(name)\"; gelu or quick_gelu is wanted")
    }
  }

  /// The most floats of one sequence's activations, 256 MB: some 30 times those of the largest CLIP.
  private static let activationLimit = 1 << 26

  /// The most multiply-adds of one sequence: 40 times those of the largest CLIP, which takes 2e11.
  private static let workLimit = 1 << 43
  /// What the softmax of one score takes, in multiply-adds. Without it heads of width 1 would be all but free.
  private static let softmaxWork = 64

  /// Throws unless a sequence of `tokens` tokens has activations of a sane size, and takes a sane time. Narrow matrices
  /// make a small file whose activations would not fit any memory, or whose attention would take days.
  func checkSequence(_ file: ModelFile, prefix: String, tokens: Int) throws(ARMSError) {
    let widest = max(width, feedForward)
    guard tokens <= Self.activationLimit / widest else {
      throw file.invalid(
        "\(prefix) has \(tokens) tokens of width \(widest); "
          + "at most \(Self.activationLimit) activations are computed")
    }
    // At most 2^61: what is above has bounded every factor.
    let scores = tokens * (2 * width + heads * Self.softmaxWork)
    let work = blockCount * tokens * (scores + 4 * width * width + 2 * width * feedForward)
    guard work <= Self.workLimit else {
      throw file.invalid(
        "\(prefix) takes \(work) multiply-adds for \(tokens) tokens in \(blockCount) blocks; "
          + "at most \(Self.workLimit) are made")
    }
  }
}

extension ModelFile {
  /// The number of `key`, which must be in `range`.
  func size(_ key: String, _ range: ClosedRange<Int>) throws(ARMSError) -> Int {
    let value = try uint32(key)
    guard range.contains(value) else {
      throw invalid("\(key) is \(value); \(range.lowerBound) to \(range.upperBound) is wanted")
    }
    return value
  }
}

extension WeightReader {
  /// The blocks `<prefix>.blk.0` and on.
  func blocks(
    _ configuration: TransformerConfiguration, prefix: String, order: TransformerBlock.Order
  ) throws(ARMSError) -> [TransformerBlock] {
    let (width, feedForward) = (configuration.width, configuration.feedForward)
    var blocks: [TransformerBlock] = []
    for index in 0..<configuration.blockCount {
      let name = "\(prefix).blk.\(index)"
      let block = TransformerBlock(
        order: order, heads: configuration.heads, activation: configuration.activation,
        query: try linear("\(name).attn_q", inputs: width, outputs: width),
        key: try linear("\(name).attn_k", inputs: width, outputs: width),
        value: try linear("\(name).attn_v", inputs: width, outputs: width),
        output: try linear("\(name).attn_out", inputs: width, outputs: width),
        norm1: try layerNorm("\(name).ln1", width: width, epsilon: configuration.epsilon),
        up: try linear("\(name).ffn_up", inputs: width, outputs: feedForward),
        down: try linear("\(name).ffn_down", inputs: feedForward, outputs: width),
        norm2: try layerNorm("\(name).ln2", width: width, epsilon: configuration.epsilon))
      try sharingInput([block.query, block.key, block.value], name)
      blocks.append(block)
    }
    return blocks
  }
}
