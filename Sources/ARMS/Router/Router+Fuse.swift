/// Queries after the head of one network.
struct FusedQueries {
  /// `[queries, N]`
  let gate: UnsafePointer<Float>
  /// `[queries, r]`, normalised.
  let vectors: UnsafePointer<Float>
}

/// Runs the networks of a model over the same queries, encoding them once where encoders are shared.
struct QueryFusion {
  let model: RouterModel
  let limits: ImageLimits
  let queries: UnsafeBufferPointer<QueryView>
  let execution: Execution
  private var questions: (encoder: TextEncoder, encoded: EncodedQuestions)?
  private var images: (encoder: ImageEncoder, encoded: EncodedImages)?

  init(
    _ queries: UnsafeBufferPointer<QueryView>, model: RouterModel, limits: ImageLimits,
    on execution: Execution
  ) {
    self.model = model
    self.limits = limits
    self.queries = queries
    self.execution = execution
  }

  /// The queries behind the head of `network`, and their encoded questions.
  mutating func fuse(_ network: RouterNetwork) throws(ARMSError) -> (FusedQueries, EncodedQuestions) {
    let encoded = EncodedQueries(
      questions: try encodeQuestions(network.text), images: try encodeImages(network))
    let (count, head) = (queries.count, network.head)
    let start = Counters.now
    let gate = try execution.arena.allocate(Float.self, count * head.gate.experts)
    let vectors = try execution.arena.allocate(Float.self, count * head.classifier.sharedWidth)
    try head.forward(encoded.input(for: network), gate: gate, out: vectors, on: execution)
    for index in 0..<count * head.classifier.sharedWidth where !vectors[index].isFinite {
      throw Router.damaged("a query's vector")
    }
    execution.counters.add(.head, nanoseconds: Counters.now &- start)
    return (FusedQueries(gate: UnsafePointer(gate), vectors: UnsafePointer(vectors)), encoded.questions)
  }

  private mutating func encodeQuestions(_ encoder: TextEncoder) throws(ARMSError) -> EncodedQuestions {
    if let questions, questions.encoder === encoder { return questions.encoded }
    let encoded = try encoder.encode(queries, on: execution)
    questions = (encoder, encoded)
    return encoded
  }

  private mutating func encodeImages(_ network: RouterNetwork) throws(ARMSError) -> EncodedImages {
    for query in queries where query.images.count > network.head.maxImages {
      throw ARMSError(
        .limitExceeded,
        "the query has \(query.images.count) images; this router takes \(network.head.maxImages) at most")
    }
    guard let encoder = network.image else {
      return try EncodedImages(ignoring: queries.count, width: network.head.imageWidth, in: execution.arena)
    }
    if let images, images.encoder === encoder { return images.encoded }
    let encoded = try encoder.encode(
      queries, wantTokens: model.readsTokens(of: encoder), limits: limits, on: execution)
    images = (encoder, encoded)
    return encoded
  }
}
