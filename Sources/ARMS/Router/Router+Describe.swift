extension Router {
  /// What a router is made of.
  public struct Description: Sendable, Equatable {
    /// What the experts attend to.
    public let fusion: Fusion
    /// How a cosine becomes a logit.
    public let head: LogitHead
    /// `N`
    public let experts: Int
    /// `d_t`: of a pooled question and of a profile's embedding.
    public let textWidth: Int
    /// `d_v`: of a pooled image.
    public let imageWidth: Int
    /// `d_p`: of an image token; 0 if the router has no image encoder.
    public let patchWidth: Int
    /// Tokens of an image, the class token included; 0 if the router has no image encoder.
    public let imageTokens: Int
    /// Side of a prepared image, in pixels; 0 if the router has no image encoder.
    public let imageSize: Int
    /// Images that a query may have.
    public let maxImages: Int
    /// Tokens that a question may have; longer ones are truncated.
    public let maxQuestionTokens: Int
    /// `r`
    public let sharedWidth: Int
    /// 2 if the file holds a cascade's second router.
    public let routers: Int
    /// Threads that a call may use.
    public let threads: Int
    /// Candidates, disabled ones included.
    public let candidates: Int
    /// Grows with every change of the candidates or weights.
    public let generation: UInt64
  }

  /// Describes the router; for a cascade the widths are the first router's.
  public var description: Description {
    let snapshot = snapshots.load()
    let (network, networks) = (snapshot.model.networks[0], snapshot.model.networks)
    return Description(
      fusion: network.head.fusion, head: network.head.classifier.kind, experts: network.head.gate.experts,
      textWidth: network.text.width, imageWidth: network.head.imageWidth,
      patchWidth: network.image?.patchWidth ?? 0,
      imageTokens: network.image?.tokenCount ?? 0, imageSize: network.image?.imageSize ?? 0,
      maxImages: network.head.maxImages, maxQuestionTokens: network.text.contextLength,
      sharedWidth: network.head.classifier.sharedWidth, routers: networks.count, threads: engine.pool.threads,
      candidates: snapshot.count, generation: snapshot.generation)
  }

  /// `d_t` of router `number`: of a pooled question and of a profile's embedding. Throws `invalidArgument`.
  package func textWidth(of number: Int) throws(ARMSError) -> Int {
    try snapshots.load().model.network(number).text.width
  }

  /// What memory a router holds, in bytes.
  public struct Memory: Sendable, Equatable {
    /// The model file, shared with every process that maps it.
    public let mapped: Int
    /// Weights held privately: copied or converted at load, trained, or merged with an adapter.
    public let weights: Int
    /// Embeddings and keys of the candidates.
    public let candidates: Int
    /// Scratch kept for the next calls.
    public let scratch: Int
  }

  /// The memory that the router holds now.
  public var memory: Memory {
    var seen: Set<ObjectIdentifier> = []
    let snapshot = snapshots.load()
    let file = snapshot.model.file.byteCounts
    var weights = file.held
    for network in snapshot.model.networks {
      weights += network.head.privateBytes
      if seen.insert(ObjectIdentifier(network.text)).inserted { weights += network.text.privateBytes }
      if let image = network.image, seen.insert(ObjectIdentifier(image)).inserted {
        weights += image.privateBytes
      }
    }
    return Memory(
      mapped: file.mapped, weights: weights,
      candidates: snapshot.pools.reduce(0) { $0 + $1.byteCount }, scratch: engine.scratch.byteCount)
  }
}
