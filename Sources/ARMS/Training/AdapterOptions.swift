/// Low-rank adapters that are trained in place of the weights of encoder layers, which stay as they are (LoRA: Hu et
/// al., arXiv 2106.09685).
///
/// A linear layer's weight becomes `W + (alpha / rank) B A`. A begins at random, by the training's seed, and B at 0.
/// Adapted are linear layers of the transformer blocks that the scope names; of these blocks' other weights, of what
/// lies behind them and of the embeddings, nothing is trained. The head is trained as ever.
public struct AdapterOptions: Sendable, Equatable {
  /// Which linear layers of a block have an adapter.
  public struct Targets: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt32

    /// Makes a set of its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// What the attention asks with.
    public static let query = Targets(rawValue: 1)
    /// What it asks for.
    public static let key = Targets(rawValue: 2)
    /// What it mixes.
    public static let value = Targets(rawValue: 4)
    /// What its heads are joined by.
    public static let output = Targets(rawValue: 8)
    /// The first layer of the feed-forward network.
    public static let up = Targets(rawValue: 16)
    /// Its second layer.
    public static let down = Targets(rawValue: 32)
    /// All six layers.
    public static let all: Targets = [.query, .key, .value, .output, .up, .down]
  }

  /// Rows of A and columns of B, above 0.
  public var rank: Int
  /// Scales the change by `alpha / rank`; 0: as the rank, so that the scale is 1.
  public var alpha: Double
  /// The layers.
  public var targets: Targets

  /// Makes options.
  public init(rank: Int = 8, alpha: Double = 0, targets: Targets = .all) {
    self.rank = rank
    self.alpha = alpha
    self.targets = targets
  }

  /// `alpha`, as a file holds it.
  var scaling: Float { Float(alpha > 0 ? alpha : Double(rank)) }

  /// Throws `invalidArgument` if a value makes no sense.
  func validate() throws(ARMSError) {
    guard (1...65_536).contains(rank) else {
      throw ARMSError(.invalidArgument, "lora_rank is \(rank); 1 to 65536 is wanted")
    }
    guard alpha.isFinite, alpha >= 0, scaling.isFinite, scaling > 0 else {
      throw ARMSError(
        .invalidArgument, "lora_alpha is \(alpha); a float above 0 is wanted, or 0: the rank")
    }
    guard !targets.isEmpty, Targets.all.isSuperset(of: targets) else {
      throw ARMSError(
        .invalidArgument,
        "lora_targets is \(targets.rawValue); some of the bits 1 to \(Targets.down.rawValue) are wanted")
    }
  }
}

extension AdapterOptions.Targets {
  /// What reads one input: in int8 the weights share its smoothing, and all are of one kind.
  static let reading: Self = [.query, .key, .value]

  /// Whether it has some and not all of those.
  var dividesAttention: Bool { !isDisjoint(with: .reading) && !isSuperset(of: .reading) }

  /// The layer of each weight, as its name ends.
  private static let layers: [(name: String, target: Self)] = [
    (".attn_q.weight", .query), (".attn_k.weight", .key), (".attn_v.weight", .value),
    (".attn_out.weight", .output), (".ffn_up.weight", .up), (".ffn_down.weight", .down),
  ]

  /// Whether these are adapters of the encoder weight `name`, which may have a second router's prefix.
  func contain(_ name: String) -> Bool {
    let prefix = RouterPrefix.second.tensor
    let own = name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : name[...]
    guard own.hasPrefix("t.blk.") || own.hasPrefix("v.blk.") else { return false }
    return Self.layers.contains { contains($0.target) && name.hasSuffix($0.name) }
  }
}
