extension Router {
  /// Encodes a question once, to be routed with any number of times.
  ///
  /// Throws `invalidText`, `invalidArgument`, `limitExceeded` for too many token ids, `notFinite`, `outOfMemory`.
  public func encode(question: Query.Question) throws(ARMSError) -> EncodedQuestion {
    if case .encoded(let encoded) = question { return encoded }
    let (model, queries) = (snapshots.load().model, [Query(question)])
    return try counters.countingErrors { () throws(ARMSError) in
      EncodedQuestion(
        try distinct(model.networks.map(\.text)).map { (encoder) throws(ARMSError) in
          try engine.execute { (execution) throws(ARMSError) in
            let encoded = try queries.withViews { (views) throws(ARMSError) in
              try encoder.encode(views, on: execution)
            }
            let embedding = Array(UnsafeBufferPointer(start: encoded.pooled, count: encoder.width))
            guard embedding.allSatisfy(\.isFinite) else { throw Self.damaged("the question's embedding") }
            return EncodedQuestion.Encoding(
              encoder: encoder, embedding: embedding, tokens: encoded.tokens[0],
              totalTokens: encoded.totals[0])
          }
        })
    }
  }

  /// Decodes, prepares and encodes an image once, to be routed with any number of times. Without an image encoder
  /// it is not looked at, and nothing encoded.
  ///
  /// Throws `invalidImage`, `limitExceeded`, `io`, `notFinite`, `invalidArgument`, `outOfMemory`.
  public func encode(image: ImageInput) throws(ARMSError) -> EncodedImage {
    let (model, queries) = (snapshots.load().model, [Query(.text(""), images: [.input(image)])])
    return try counters.countingErrors { () throws(ARMSError) in
      EncodedImage(
        try distinct(model.networks.compactMap(\.image)).map { (encoder) throws(ARMSError) in
          try engine.execute { (execution) throws(ARMSError) in
            let encoded = try queries.withViews { (views) throws(ARMSError) in
              try encoder.encode(
                QueryPass(views), wantTokens: model.readsTokens(of: encoder), limits: limits, on: execution)
            }
            let embedding = Array(UnsafeBufferPointer(start: encoded.each, count: encoder.width))
            guard embedding.allSatisfy(\.isFinite) else { throw Self.damaged("the image's embedding") }
            return EncodedImage.Encoding(
              encoder: encoder, embedding: embedding,
              tokens: try encoded.tokens.map { (tokens) throws(ARMSError) in
                try encoder.keep(tokens[0])
              })
          }
        })
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

  /// Floats of a prepared image; 0 if the router has no image encoder.
  public var preparedCount: Int { networks[0].image?.pixelCount ?? 0 }

  /// Decodes, resizes, crops and normalises an image.
  ///
  /// `body` is called once with the number of floats, `[3, imageSize, imageSize]`, before anything is computed, and
  /// returns where they go, or nil to stop. Throws as ``encode(image:)``, `unsupported` without an image encoder, and
  /// what `body` throws; nothing is written then.
  public func prepare(
    _ image: ImageInput, into body: (_ count: Int) throws(ARMSError) -> UnsafeMutablePointer<Float>?
  ) throws(ARMSError) {
    guard let encoder = networks[0].image else {
      throw ARMSError(
        .unsupported,
        "this router has no image encoder to prepare images for; its queries' images are ignored")
    }
    let count = encoder.pixelCount
    guard let pixels = try body(count) else { return }
    try engine.execute { (execution) throws(ARMSError) in
      let prepared = try execution.arena.allocate(Float.self, count)
      try encoder.preprocessor.prepare(image, limits: limits, into: prepared, in: execution.arena)
      pixels.update(from: prepared, count: count)
    }
  }

  static func damaged(_ what: String) -> ARMSError {
    ARMSError(.notFinite, "\(what) has NaN or infinite numbers; the model file's weights are damaged")
  }
}

/// The objects without repetition, in their order.
private func distinct<T: AnyObject>(_ objects: [T]) -> [T] {
  var result: [T] = []
  for object in objects where !result.contains(where: { $0 === object }) { result.append(object) }
  return result
}

extension ImageEncoder {
  /// A copy of an image's tokens, `[tokenCount, d_p]`, out of the scratch memory.
  fileprivate func keep(_ tokens: UnsafePointer<Float>) throws(ARMSError) -> AlignedBuffer {
    let count = tokenCount * patchWidth
    let buffer = try AlignedBuffer(Float.self, count: count, purpose: "an encoded image")
    buffer.pointer(to: Float.self).update(from: tokens, count: count)
    return buffer
  }
}
