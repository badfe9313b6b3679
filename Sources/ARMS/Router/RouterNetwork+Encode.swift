import CKernels

/// Queries after the encoders.
struct EncodedQueries {
  let questions: EncodedQuestions
  let images: EncodedImages

  /// What `network`'s head reads; the encoders must be its own.
  func input(for network: RouterNetwork) -> HeadInput {
    let readsTokens = network.head.fusion == .patches
    return HeadInput(
      count: questions.count, question: questions.pooled,
      image: images.pooled(or: network.head.noImage),
      imageStarts: images.starts, imageTokens: readsTokens ? images.tokens : nil,
      tokensPerImage: network.image?.tokenCount ?? 0, noImageTokens: network.head.noImageTokens)
  }
}

/// Pooled questions and how many tokens they had.
struct EncodedQuestions {
  let count: Int
  /// `[count, d_t]`
  let pooled: UnsafeMutablePointer<Float>
  /// `[count]`: tokens read.
  let tokens: UnsafeMutablePointer<Int>
  /// `[count]`: tokens before truncation.
  let totals: UnsafeMutablePointer<Int>
}

/// The images of queries, one query after the other.
struct EncodedImages {
  let queries: Int
  /// `d_v`
  let width: Int
  /// `[queries + 1]`
  let starts: UnsafePointer<Int>
  /// `[images, d_v]`
  let each: UnsafePointer<Float>
  /// `[images]`, each `[tokenCount, d_p]`; nil if nobody reads them.
  let tokens: UnsafePointer<UnsafePointer<Float>>?
  /// `[queries, d_v]`, filled by ``pooled(or:)``.
  let means: UnsafeMutablePointer<Float>

  /// The pooled image of each query: the mean of its images, or the learned vector if it has none.
  func pooled(or learned: UnsafePointer<Float>) -> UnsafePointer<Float> {
    for query in 0..<queries {
      let target = means + query * width
      let (start, end) = (starts[query], starts[query + 1])
      if start == end {
        target.update(from: learned, count: width)
        continue
      }
      target.update(repeating: 0, count: width)
      for image in start..<end {
        for column in 0..<width { target[column] += each[image * width + column] }
      }
      for column in 0..<width { target[column] /= Float(end - start) }
    }
    return UnsafePointer(means)
  }
}

extension EncodedImages {
  /// What a network without an image encoder reads: as if no query had an image.
  init(ignoring queries: Int, width: Int, in arena: ScratchArena) throws(ARMSError) {
    let starts = try arena.allocate(Int.self, queries + 1)
    starts.update(repeating: 0, count: queries + 1)
    let means = try arena.allocate(Float.self, queries * width)
    self.init(
      queries: queries, width: width, starts: UnsafePointer(starts), each: UnsafePointer(means), tokens: nil,
      means: means)
  }
}

/// Questions before the text encoder.
struct TokenizedQuestions {
  /// Where they go; those that were encoded before are there.
  let encoded: EncodedQuestions
  /// The token ids of the others, one question after the other, and their places among all.
  let ids: UnsafePointer<Int32>
  let sequences: Sequences
  let places: UnsafePointer<Int>
}

extension TextEncoder {
  /// Tokenises and encodes the questions that are not encoded yet, without padding, and collects all. Errors do not
  /// say which is at fault.
  func encode(
    _ queries: UnsafeBufferPointer<QueryView>, on execution: Execution
  ) throws(ARMSError) -> EncodedQuestions {
    let questions = try tokenize(QueryPass(unnamed: queries), on: execution)
    try encode(questions, on: execution)
    return questions.encoded
  }

  /// Tokenises the questions that are not encoded yet, and collects the others.
  func tokenize(_ pass: QueryPass, on execution: Execution) throws(ARMSError) -> TokenizedQuestions {
    let arena = execution.arena
    let count = pass.queries.count
    let result = EncodedQuestions(
      count: count, pooled: try arena.allocate(Float.self, count * width),
      tokens: try arena.allocate(Int.self, count), totals: try arena.allocate(Int.self, count))
    let ids = try arena.allocate(Int32.self, count * contextLength)
    let starts = try arena.allocate(Int.self, count + 1)
    let places = try arena.allocate(Int.self, count)
    var fresh = 0
    starts[0] = 0
    let start = Counters.now
    for (place, query) in pass.queries.enumerated() {
      if case .encoded(let question) = query.question {
        try pass.naming(place) { () throws(ARMSError) in
          try collect(question, into: result, at: place)
        }
        continue
      }
      let room = UnsafeMutableBufferPointer(start: ids + starts[fresh], count: contextLength)
      let (tokens, total) = try pass.naming(place) { () throws(ARMSError) in
        try tokenize(query.question, into: room)
      }
      result.tokens[place] = tokens
      result.totals[place] = total
      places[fresh] = place
      fresh += 1
      starts[fresh] = starts[fresh - 1] + tokens
    }
    if fresh > 0 { execution.counters.add(.tokenize, nanoseconds: Counters.now &- start) }
    return TokenizedQuestions(
      encoded: result, ids: UnsafePointer(ids),
      sequences: Sequences(starts: UnsafePointer(starts), count: fresh), places: UnsafePointer(places))
  }

  /// Encodes what is not encoded yet.
  func encode(_ questions: TokenizedQuestions, on execution: Execution) throws(ARMSError) {
    let count = questions.sequences.count
    guard count > 0 else { return }
    let pooled = try execution.arena.allocate(Float.self, count * width)
    try execution.counters.measure(.text) { () throws(ARMSError) in
      try encode(questions.ids, questions.sequences, out: pooled, on: execution)
    }
    for index in 0..<count {
      (questions.encoded.pooled + questions.places[index] * width)
        .update(from: pooled + index * width, count: width)
    }
  }

  /// The token ids of a question that is not encoded yet: how many, and how many before truncation.
  private func tokenize(
    _ question: Query.Question, into ids: UnsafeMutableBufferPointer<Int32>
  ) throws(ARMSError) -> (count: Int, total: Int) {
    switch question {
    case .text(let text): return try tokenizer.encode(text, into: ids)
    case .utf8(let bytes): return try tokenizer.encode(bytes, into: ids)
    case .tokens(let tokens):
      guard (1...contextLength).contains(tokens.count) else {
        throw ARMSError(
          tokens.isEmpty ? .invalidArgument : .limitExceeded,
          "the question has \(tokens.count) token ids; 1 to \(contextLength) are wanted")
      }
      for (index, token) in tokens.enumerated() {
        guard (0..<Int32(truncatingIfNeeded: tokenizer.vocabularyCount)).contains(token) else {
          throw ARMSError(
            .invalidArgument,
            "token id \(token) at \(index) is not in the vocabulary of \(tokenizer.vocabularyCount)")
        }
        ids[index] = token
      }
      return (tokens.count, tokens.count)
    case .encoded: throw ARMSError(.internal, "an encoded question has no token ids")
    }
  }

  private func collect(
    _ question: EncodedQuestion, into result: EncodedQuestions, at place: Int
  ) throws(ARMSError) {
    guard let encoding = question.encoding(of: self) else {
      throw ARMSError(
        .invalidArgument, "the encoded question was made by another text encoder; encode it with this router")
    }
    for (column, value) in encoding.embedding.enumerated() { result.pooled[place * width + column] = value }
    result.tokens[place] = encoding.tokens
    result.totals[place] = encoding.totalTokens
  }
}

/// An image of a query that is not encoded yet.
private struct FreshImage {
  let image: UnsafePointer<Query.Image>
  /// Its query's place in the pass.
  let query: Int
  /// Its number among the images of its query.
  let number: Int
  /// Its place among all images of the queries.
  let place: Int
}

extension ImageEncoder {
  /// Images that run through the encoder together: their activations still fit the cache.
  private static let imagesPerPass = 8

  /// Prepares and encodes the images that are not encoded yet, and collects all. Tokens only if `wantTokens`.
  func encode(
    _ pass: QueryPass, wantTokens: Bool, limits: ImageLimits, on execution: Execution
  ) throws(ARMSError) -> EncodedImages {
    let (arena, queries) = (execution.arena, pass.queries)
    let starts = try arena.allocate(Int.self, queries.count + 1)
    starts[0] = 0
    for (place, query) in queries.enumerated() { starts[place + 1] = starts[place] + query.images.count }
    let total = starts[queries.count]
    let pooled = try arena.allocate(Float.self, total * width)
    let tokens = try arena.allocate(UnsafePointer<Float>.self, wantTokens ? total : 0)
    let fresh = try arena.allocate(FreshImage.self, total)
    var freshCount = 0
    for (index, query) in queries.enumerated() {
      guard let images = query.images.baseAddress else { continue }
      for number in 0..<query.images.count {
        let place = starts[index] + number
        guard case .encoded(let encoded) = images[number] else {
          fresh[freshCount] = FreshImage(image: images + number, query: index, number: number, place: place)
          freshCount += 1
          continue
        }
        try pass.naming(index, image: number) { () throws(ARMSError) in
          try collect(encoded, wantTokens: wantTokens, pooled: pooled + place * width, tokens: tokens + place)
        }
      }
    }
    try encodeFresh(
      UnsafeBufferPointer(start: fresh, count: freshCount), of: pass, wantTokens: wantTokens, limits: limits,
      pooled: pooled, tokens: tokens, on: execution)
    return EncodedImages(
      queries: queries.count, width: width, starts: UnsafePointer(starts), each: UnsafePointer(pooled),
      tokens: wantTokens ? UnsafePointer(tokens) : nil,
      means: try arena.allocate(Float.self, queries.count * width))
  }

  private func encodeFresh(
    _ fresh: UnsafeBufferPointer<FreshImage>, of pass: QueryPass, wantTokens: Bool, limits: ImageLimits,
    pooled: UnsafeMutablePointer<Float>, tokens: UnsafeMutablePointer<UnsafePointer<Float>>,
    on execution: Execution
  ) throws(ARMSError) {
    let arena = execution.arena
    let tokenFloats = tokenCount * patchWidth
    let most = min(Self.imagesPerPass, fresh.count)
    let pixels = try arena.allocate(Float.self, most * pixelCount)
    let passPooled = try arena.allocate(Float.self, most * width)
    for start in stride(from: 0, to: fresh.count, by: Self.imagesPerPass) {
      let count = min(Self.imagesPerPass, fresh.count - start)
      let passTokens = wantTokens ? try arena.allocate(Float.self, count * tokenFloats) : nil
      for (index, one) in fresh[start..<start + count].enumerated() {
        guard case .input(let input) = one.image.pointee else { continue }
        try pass.naming(one.query, image: one.number) { () throws(ARMSError) in
          try execution.counters.measure(.decode) { () throws(ARMSError) in
            try arena.scoped { () throws(ARMSError) in
              try preprocessor.prepare(input, limits: limits, into: pixels + index * pixelCount, in: arena)
            }
          }
        }
      }
      try execution.counters.measure(.image) { () throws(ARMSError) in
        try encode(pixels, count: count, pooled: passPooled, tokens: passTokens, on: execution)
      }
      for index in 0..<count {
        let place = fresh[start + index].place
        (pooled + place * width).update(from: passPooled + index * width, count: width)
        if let passTokens { tokens[place] = UnsafePointer(passTokens + index * tokenFloats) }
      }
    }
  }

  private func collect(
    _ image: EncodedImage, wantTokens: Bool, pooled: UnsafeMutablePointer<Float>,
    tokens: UnsafeMutablePointer<UnsafePointer<Float>>
  ) throws(ARMSError) {
    guard let encoding = image.encoding(of: self) else {
      throw ARMSError(
        .invalidArgument, "the encoded image was made by another image encoder; encode it with this router")
    }
    for (column, value) in encoding.embedding.enumerated() { pooled[column] = value }
    guard wantTokens else { return }
    guard let buffer = encoding.tokens else {
      throw ARMSError(
        .invalidArgument,
        "the encoded image has no tokens, which this router's fusion reads; encode it with this router")
    }
    tokens.pointee = UnsafePointer(buffer.pointer(to: Float.self))
  }
}
