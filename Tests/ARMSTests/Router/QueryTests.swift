import Testing

@testable import ARMS

/// One query in all its forms, and queries that are none.
@Suite struct QueryTests {
  private func withTokens<R>(_ tokens: [Int32], _ body: (Query.Question) throws -> R) rethrows -> R {
    try tokens.withUnsafeBufferPointer { try body(.tokens($0)) }
  }

  @Test(arguments: ModelFixture.all) func everyFormGivesTheSameDecision(_ fixture: ModelFixture) throws {
    let router = try fixture.router()
    for (number, question) in fixture.questions.enumerated()
    where question.tokens.count == question.total_tokens {
      let inputs = (0..<number % 3).map { image($0 + number) }
      let images = inputs.map { Query.Image.input($0) }
      let encodedImages = try inputs.map { Query.Image.encoded(try router.encode(image: $0)) }
      let expected = try router.route(Query(question: question.text, images: inputs))
      let encoded = try router.encode(question: .text(question.text))
      var mixed = images
      if let last = encodedImages.last { mixed[mixed.count - 1] = last }
      for form in [images, encodedImages, mixed] {
        var text = question.text
        #expect(same(try router.route(Query(.encoded(encoded), images: form)), expected))
        #expect(same(try text.withUTF8 { try router.route(Query(.utf8($0), images: form)) }, expected))
        #expect(same(try withTokens(question.tokens) { try router.route(Query($0, images: form)) }, expected))
      }
      #expect(expected.questionTokens == question.tokens.count)
    }
  }

  @Test func imageFilesAndPixelsAreTheSameEncoded() throws {
    let router = try paper.router()
    let path = fixture("images/png_rgb_8.png")
    let file = try contents(path)
    let pixels = (0..<40 * 50 * 3).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    try file.withUnsafeBytes { file in
      try pixels.withUnsafeBytes { pixels in
        let sources: [ImageInput.Source] = [
          .path(path), .encoded(file), .rgb8(pixels, width: 40, height: 50, stride: 0),
          .gray8(pixels, width: 60, height: 100, stride: 60),
          .rgba8(pixels, width: 30, height: 50, stride: 0),
        ]
        for source in sources {
          let input = ImageInput(source)
          let raw = try router.route(Query(question: "What is it?", images: [input]))
          let encoded = try router.encode(image: input)
          #expect(same(try router.route(Query(.text("What is it?"), images: [.encoded(encoded)])), raw))
        }
      }
    }
  }

  /// Images are encoded in passes, each of which works in the memory of the one before.
  @Test func manyPassesTakeTheMemoryOfOne() throws {
    func scratch(afterQueries count: Int) throws -> Int {
      let router = try ModelFixture.named("bert-pooled-scaled.gguf").router(threads: 1)
      let question = Query.Question.encoded(try router.encode(question: .text("Which of them is red?")))
      let query = Query(question, images: (0..<4).map { .input(image($0)) })
      for _ in 0..<2 { _ = try router.scores([Query](repeating: query, count: count)) }
      return router.memory.scratch
    }
    let (one, many) = (try scratch(afterQueries: 2), try scratch(afterQueries: 32))
    #expect(many < one + one / 2, "\(many) bytes for 128 images, \(one) for 8")
  }

  @Test func anEncodedQueryOutlivesItsRouter() throws {
    func encode() throws -> (EncodedQuestion, EncodedImage) {
      let router = try paper.router()
      return (try router.encode(question: .text("What?")), try router.encode(image: image(2)))
    }
    let (question, picture) = try encode()
    let router = try paper.router()
    let expected = try router.route(Query(question: "What?", images: [image(2)]))
    #expect(same(try router.route(Query(.encoded(question), images: [.encoded(picture)])), expected))
  }

  @Test func refusesWhatAnotherEncoderMade() throws {
    let (router, other) = (
      try paper.router(), try ModelFixture.named("distilbert-pooled-paper.gguf").router()
    )
    let question = failure { try router.route(Query(try .encoded(other.encode(question: .text("What?"))))) }
    #expect(question?.code == .invalidArgument && question?.message.contains("another text encoder") == true)
    let picture = failure {
      try router.route(Query(.text("What?"), images: [.encoded(try other.encode(image: image(0)))]))
    }
    #expect(picture?.code == .invalidArgument && picture?.message.contains("another image encoder") == true)
  }

  /// Files may claim the same hash for encoders of other sizes.
  @Test func doesNotBelieveAHash() throws {
    let directory = try TemporaryDirectory()
    let model = try EditedModel(paper)
    model.set("arms.vision.hash", .string("same"))
    let router = try Router(path: try model.write(to: directory, "large.gguf"))
    let small = try EditedModel(paper, keeping: { $0 != "v.position_embd.weight" })
    small.set("arms.vision.hash", .string("same"))
    small.set("arms.vision.image_size", .uint32(16))
    small.add("v.position_embd.weight", shape: [5, 32], [Float](repeating: 0.1, count: 5 * 32))
    let other = try Router(path: try small.write(to: directory, "small.gguf"))
    let pixels = [Float](repeating: 0.5, count: 3 * 16 * 16)
    let encoded = try pixels.withUnsafeBufferPointer { try other.encode(image: ImageInput(.prepared($0))) }
    let error = failure { try router.route(Query(.text("What?"), images: [.encoded(encoded)])) }
    #expect(error?.code == .invalidArgument && error?.message.contains("another image encoder") == true)
  }

  @Test func refusesAnImageWithoutTokensWhereTheyAreRead() throws {
    let directory = try TemporaryDirectory()
    func router(_ fixture: ModelFixture, _ name: String) throws -> Router {
      let model = try EditedModel(fixture)
      model.set("arms.vision.hash", .string("same"))
      return try Router(path: try model.write(to: directory, name))
    }
    let patches = try router(paper, "patches.gguf")
    let pooled = try router(ModelFixture.named("bert-pooled-scaled.gguf"), "pooled.gguf")
    let encoded = try pooled.encode(image: image(0))
    let error = failure { try patches.route(Query(.text("What?"), images: [.encoded(encoded)])) }
    #expect(error?.code == .invalidArgument && error?.message.contains("no tokens") == true)
  }

  @Test func takesAsManyImagesAsTheFileSays() throws {
    let router = try paper.router()
    let most = router.description.maxImages
    #expect(try router.route(Query(question: "", images: (0..<most).map { image($0) })).rankedCount == 2)
    let error = failure { try router.route(Query(question: "", images: (0...most).map { image($0) })) }
    #expect(error?.code == .limitExceeded)
    #expect(
      error?.message.contains("\(most + 1) images") == true
        && error?.message.contains("\(most) at most") == true)
    let scored = failure { try router.scores([Query(question: "", images: (0...most).map { image($0) })]) }
    #expect(scored?.code == .limitExceeded)
  }

  @Test func refusesTokensThatAreNone() throws {
    let router = try paper.router()
    let vocabulary = router.networks[0].text.tokenizer.vocabularyCount
    for token in [-1, Int32.min, Int32(vocabulary), Int32.max] {
      let error = failure { try withTokens([2, token, 3]) { try router.route(Query($0)) } }
      #expect(error?.code == .invalidArgument && error?.message.contains("\(token) at 1") == true)
    }
    #expect(failure { try withTokens([]) { try router.route(Query($0)) } }?.code == .invalidArgument)
    let most = router.description.maxQuestionTokens
    let many = failure {
      try withTokens(.init(repeating: 5, count: most + 1)) { try router.route(Query($0)) }
    }
    #expect(many?.code == .limitExceeded)
    let full = try withTokens(.init(repeating: Int32(vocabulary - 1), count: most)) {
      try router.route(Query($0))
    }
    #expect(full.questionTokens == most && full.questionTokensTotal == most)
  }

  @Test func takesAnEmptyText() throws {
    let router = try paper.router()
    let decision = try router.route(Query(question: ""))
    #expect(decision.questionTokens == 2 && decision.questionTokensTotal == 2)
    let empty = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    #expect(same(try router.route(Query(.utf8(empty))), decision))
  }

  @Test func truncatesALongTextAndSaysSo() throws {
    let router = try paper.router()
    let most = router.description.maxQuestionTokens
    let decision = try router.route(Query(question: String(repeating: "a ", count: 50_000)))
    #expect(decision.questionTokens == most && decision.questionTokensTotal == 50_002)
    let encoded = try router.encode(question: .text(String(repeating: "a ", count: 50_000)))
    #expect(same(try router.route(Query(.encoded(encoded))), decision))
    let shorter = try router.route(Query(question: String(repeating: "a ", count: most - 2)))
    #expect(shorter.ranked == decision.ranked && shorter.questionTokensTotal == most)
  }

  @Test func refusesATextThatIsNotUTF8() throws {
    let router = try paper.router()
    let error = failure {
      try [0x61, 0xFF, 0x62].withUnsafeBufferPointer { try router.route(Query(.utf8($0))) }
    }
    #expect(error?.code == .invalidText)
  }

  @Test func refusesPixelsThatAreNone() throws {
    let router = try paper.router()
    var pixels = ModelFixture.pixels(0)
    pixels[100] = .nan
    let error = pixels.withUnsafeBufferPointer { pixels in
      failure { try router.route(Query(question: "", images: [ImageInput(.prepared(pixels))])) }
    }
    #expect(error?.code == .notFinite)
    let missing = failure { try router.encode(image: ImageInput(.path("/none.png"))) }
    #expect(missing?.code == .io)
  }

  /// Matrices are not read at opening; what they make of a query is.
  @Test func refusesToAnswerWithDamagedWeights() throws {
    let edited = try EditedModel(paper, keeping: { $0 != Self.matrix })
    var values = try edited.floats(Self.matrix)
    values[3] = .nan
    edited.add(Self.matrix, shape: try edited.shape(Self.matrix), values)
    let directory = try TemporaryDirectory()
    let router = try Router(path: edited.write(to: directory))
    try router.add([Candidate(name: "x", profile: "A model.")])
    let (query, data) = (Query(question: "What?", images: [image(0)]), DataSet())
    try data.append([Sample(question: "What?", outcomes: [Outcome(candidate: "x", label: 1)])])
    #expect(router.refusal { _ = try $0.route(query) }?.code == .notFinite)
    #expect(router.refusal { _ = try $0.embed(query) }?.code == .notFinite)
    #expect(router.refusal { _ = try $0.fit(candidates: ["x"], on: data) }?.code == .notFinite)
    #expect(router.refusal { _ = try $0.calibrate(on: data) }?.code == .notFinite)
  }

  private let missing = ImageInput(.path("/none.png"))

  /// Of several images, and of several queries, an error says which is at fault.
  @Test func saysWhichImageIsAtFault() throws {
    let (router, other) = (
      try paper.router(), try ModelFixture.named("distilbert-pooled-paper.gguf").router()
    )
    func message(_ images: [Query.Image]) -> String? {
      failure { try router.route(Query(.text("What?"), images: images)) }?.message
    }
    let (good, foreign) = (
      Query.Image.input(image(0)), Query.Image.encoded(try other.encode(image: image(0)))
    )
    #expect(message([.input(missing)])?.hasPrefix("image /none.png cannot") == true)
    #expect(message([foreign])?.hasPrefix("the encoded image") == true)
    #expect(message([good, .input(missing)])?.hasPrefix("images[1]: image /none.png cannot") == true)
    #expect(message([good, good, foreign])?.hasPrefix("images[2]: the encoded image") == true)
  }

  @Test func saysWhichQueryIsAtFault() throws {
    let router = try paper.router()
    let (text, tokens) = ([0x61, 0xFF] as [UInt8], [2, -1, 3] as [Int32])
    let most = router.description.maxImages
    try text.withUnsafeBufferPointer { text in
      try tokens.withUnsafeBufferPointer { tokens in
        let cases: [(Query, String)] = [
          (Query(.utf8(text)), ": "), (Query(.tokens(tokens)), ": token id -1 at 1"),
          (Query(question: "", images: [missing]), ": image /none.png"),
          (Query(question: "", images: [image(0), missing]), ".images[1]: image /none.png"),
          (Query(question: "", images: (0...most).map { image($0) }), ": the query has \(most + 1) images"),
        ]
        for (query, message) in cases {
          let alone = try #require(failure { try router.scores([query]) })
          #expect(!alone.message.contains("queries["))
          // In the first pass, at the end of one, and alone in the last.
          for (place, count) in [(0, 2), (31, 33), (32, 33), (65, 70)] {
            var queries = [Query](repeating: Query(question: "What?"), count: count)
            queries[place] = query
            let error = try #require(failure { try router.scores(queries) })
            #expect(error.code == alone.code)
            #expect(error.message.hasPrefix("queries[\(place)]\(message)"), "\(error.message)")
          }
        }
      }
    }
  }

  private static let matrix = "expert.0.ffn_down.weight"

  /// The scratch memory of a call is that of the next.
  @Test func theMemoryDoesNotGrow() throws {
    let router = try paper.router()
    let queries = (0..<3).map { number in
      Query(question: String(repeating: "a ", count: number * 9), images: (0..<number).map { image($0) })
    }
    for query in queries.reversed() { _ = try router.route(query) }
    let memory = router.memory
    #expect(memory.scratch > 0)
    for _ in 0..<20 { for query in queries { _ = try router.route(query) } }
    #expect(router.memory == memory)
  }
}
