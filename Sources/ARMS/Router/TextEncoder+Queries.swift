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
