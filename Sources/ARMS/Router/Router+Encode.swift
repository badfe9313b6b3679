extension Router {
  /// Encodes a question once, to be routed with any number of times.
  ///
  /// Throws `invalidText`, `invalidArgument`, `outOfMemory`.
  public func encode(question: Query.Question) throws(ARMSError) -> EncodedQuestion {
    if case .encoded(let encoded) = question { return encoded }
    let text = networks[0].text
    return try engine.execute { (execution) throws(ARMSError) in
      let encoded = try text.encode([Query(question)][...], on: execution)
      let embedding = Array(UnsafeBufferPointer(start: encoded.pooled, count: text.width))
      guard embedding.allSatisfy(\.isFinite) else { throw Self.damaged("the question's embedding") }
      return EncodedQuestion(
        embedding: embedding, tokens: encoded.tokens[0], totalTokens: encoded.totals[0], encoder: text)
    }
  }

  /// Decodes, prepares and encodes an image once, to be routed with any number of times.
  ///
  /// Throws `invalidImage`, `limitExceeded`, `io`, `notFinite`, `invalidArgument`, `outOfMemory`.
  public func encode(image: ImageInput) throws(ARMSError) -> EncodedImage {
    let encoder = networks[0].image
    let wantTokens = readsTokens(of: encoder)
    return try engine.execute { (execution) throws(ARMSError) in
      let queries = [Query(.text(""), images: [.input(image)])]
      let encoded = try encoder.encode(
        queries[...], wantTokens: wantTokens, limits: limits, on: execution)
      let embedding = Array(UnsafeBufferPointer(start: encoded.each, count: encoder.width))
      guard embedding.allSatisfy(\.isFinite) else { throw Self.damaged("the image's embedding") }
      var kept: AlignedBuffer?
      if let tokens = encoded.tokens {
        let count = encoder.tokenCount * encoder.patchWidth
        let buffer = try AlignedBuffer(Float.self, count: count, purpose: "an encoded image")
        buffer.pointer(to: Float.self).update(from: tokens[0], count: count)
        kept = buffer
      }
      return EncodedImage(embedding: embedding, tokens: kept, encoder: encoder)
    }
  }

  /// The token ids of a text as the text encoder reads it, [CLS] and [SEP] included and truncated to its
  /// context, and their number before truncation. Throws `invalidText`.
  public func tokenize(_ text: UnsafeBufferPointer<UInt8>) throws(ARMSError) -> (ids: [Int32], total: Int) {
    let encoder = networks[0].text
    return try engine.execute { (execution) throws(ARMSError) in
      let ids = try execution.arena.allocate(Int32.self, encoder.contextLength)
      let (count, total) = try encoder.tokenizer.encode(
        text, into: UnsafeMutableBufferPointer(start: ids, count: encoder.contextLength))
      return (Array(UnsafeBufferPointer(start: ids, count: count)), total)
    }
  }

  /// Floats of a prepared image.
  public var preparedCount: Int { networks[0].image.pixelCount }

  /// Decodes, resizes, crops and normalises an image: `[3, imageSize, imageSize]`, ``preparedCount`` floats.
  ///
  /// Throws as ``encode(image:)``; `pixels` is then as it was.
  public func prepare(_ image: ImageInput, into pixels: UnsafeMutablePointer<Float>) throws(ARMSError) {
    let count = preparedCount
    try engine.execute { (execution) throws(ARMSError) in
      let prepared = try execution.arena.allocate(Float.self, count)
      try networks[0].image.preprocessor.prepare(image, limits: limits, into: prepared)
      pixels.update(from: prepared, count: count)
    }
  }

  /// Whether any head that stands on `encoder` reads image tokens.
  func readsTokens(of encoder: ImageEncoder) -> Bool {
    networks.contains { $0.image === encoder && $0.head.fusion == .patches }
  }

  static func damaged(_ what: String) -> ARMSError {
    ARMSError(.notFinite, "\(what) has NaN or infinite numbers; the model file's weights are damaged")
  }
}
