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
  let pass: QueryPass
  let execution: Execution
  private var questions: (encoder: TextEncoder, encoded: EncodedQuestions)?
  private var images: (encoder: ImageEncoder, encoded: EncodedImages)?

  /// Runs all queries of a call.
  init(
    _ queries: UnsafeBufferPointer<QueryView>, model: RouterModel, limits: ImageLimits,
    on execution: Execution
  ) {
    self.init(QueryPass(queries), model: model, limits: limits, on: execution)
  }

  init(_ pass: QueryPass, model: RouterModel, limits: ImageLimits, on execution: Execution) {
    self.model = model
    self.limits = limits
    self.pass = pass
    self.execution = execution
  }

  /// The queries behind the head of `network`, and their encoded questions.
  mutating func fuse(_ network: RouterNetwork) throws(ARMSError) -> (FusedQueries, EncodedQuestions) {
    let encoded = try encode(network)
    let (count, head) = (pass.queries.count, network.head)
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

  private mutating func encode(_ network: RouterNetwork) throws(ARMSError) -> EncodedQueries {
    let encoder = network.text
    if let questions, questions.encoder === encoder {
      return EncodedQueries(questions: questions.encoded, images: try encodeImages(network))
    }
    let tokenized = try encoder.tokenize(pass, on: execution)
    let images = try encodeImages(network, beside: tokenized)
    questions = (encoder, tokenized.encoded)
    return EncodedQueries(questions: tokenized.encoded, images: images)
  }

  /// Encodes questions and images: the questions on a thread of their own meanwhile, where that thread is done before
  /// the images are. The two then meet half as often as if they shared every product.
  private mutating func encodeImages(
    _ network: RouterNetwork, beside questions: TokenizedQuestions
  ) throws(ARMSError) -> EncodedImages {
    guard isDoneBeforeImages(questions, network) else {
      try network.text.encode(questions, on: execution)
      return try encodeImages(network)
    }
    var failure: ARMSError?
    let encoded = try withUnsafeMutablePointer(to: &failure) { (failure) throws(ARMSError) in
      let side = EncodeQuestions(
        encoder: network.text, questions: questions, execution: execution, failure: failure)
      return try execution.pool.run(beside: side) { () throws(ARMSError) in try encodeImages(network) }
    }
    if let failure { throw failure }
    return encoded
  }

  /// Whether a thread alone encodes the questions sooner than the others the images.
  ///
  /// Encoders of float weights are left out: which threads multiply at once would be left to chance, and OpenBLAS takes
  /// memory when one more does for the first time.
  private func isDoneBeforeImages(_ questions: TokenizedQuestions, _ network: RouterNetwork) -> Bool {
    let threads = execution.pool.threads
    guard threads > 1, let image = network.image, !network.text.needsBLAS, !image.needsBLAS else {
      return false
    }
    let text = work(network.text, questions)
    return text > 0 && text * Double(threads) <= text + work(image)
  }

  /// The multiply-adds of the questions that are not encoded yet.
  private func work(_ encoder: TextEncoder, _ questions: TokenizedQuestions) -> Double {
    Double(questions.sequences.rows) * encoder.blocks.multiplyAddsPerRow
  }

  /// The multiply-adds of the images that are not encoded yet.
  private func work(_ encoder: ImageEncoder) -> Double {
    guard images?.encoder !== encoder else { return 0 }
    var fresh = 0
    for query in pass.queries {
      for case .input in query.images { fresh += 1 }
    }
    return Double(fresh * encoder.tokenCount) * encoder.blocks.multiplyAddsPerRow
  }

  private mutating func encodeImages(_ network: RouterNetwork) throws(ARMSError) -> EncodedImages {
    guard let encoder = network.image else {
      return try EncodedImages(
        ignoring: pass.queries.count, width: network.head.imageWidth, in: execution.arena)
    }
    try checkNumbersOfImages(most: network.head.maxImages)
    if let images, images.encoder === encoder { return images.encoded }
    let encoded = try encoder.encode(
      pass, wantTokens: model.readsTokens(of: encoder), limits: limits, on: execution)
    images = (encoder, encoded)
    return encoded
  }

  private func checkNumbersOfImages(most: Int) throws(ARMSError) {
    for (place, query) in pass.queries.enumerated() where query.images.count > most {
      try pass.naming(place) { () throws(ARMSError) in
        throw ARMSError(
          .limitExceeded, "the query has \(query.images.count) images; this router takes \(most) at most")
      }
    }
  }
}

/// The text encoder's part of a pass, beside the image encoder's.
private struct EncodeQuestions: SideTask {
  let encoder: TextEncoder
  let questions: TokenizedQuestions
  let execution: Execution
  let failure: UnsafeMutablePointer<ARMSError?>

  func run() {
    do {
      try execution.alone { (execution) throws(ARMSError) in try encoder.encode(questions, on: execution) }
    } catch {
      failure.pointee = error
    }
  }
}
