import Testing

@testable import ARMS

/// The engine against PyTorch, for every fusion, head, text family and tensor type of the fixtures.
@Suite struct FixtureTests {
  static let float = ModelFixture.all.filter { $0.tolerance != nil }
  static let int8 = ModelFixture.all.filter { $0.cosine != nil }

  @Test(arguments: ModelFixture.all) func tokenizes(_ fixture: ModelFixture) throws {
    let router = try fixture.router()
    for question in fixture.questions {
      var text = question.text
      let (ids, total) = try text.withUTF8 { try router.tokenize($0) }
      #expect(ids == question.tokens)
      #expect(total == question.total_tokens)
    }
  }

  @Test(arguments: float, [1, 2]) func encodesInFloat(_ fixture: ModelFixture, threads: Int) throws {
    let router = try fixture.router(threads: threads)
    let tolerance = try #require(fixture.tolerance)
    for question in fixture.questions {
      let encoded = try router.encode(question: .text(question.text))
      #expect(distance(encoded.embedding, question.embedding) <= tolerance, "\(question.text)")
    }
    for image in fixture.images {
      let encoded = try ModelFixture.pixels(image.image).withUnsafeBufferPointer {
        try router.encode(image: ImageInput(.prepared($0)))
      }
      #expect(distance(encoded.embedding, image.embedding) <= tolerance)
      if let buffer = encoded.encodings[0].tokens {
        let expected = image.tokens.flatMap { $0 }
        let tokens = Array(UnsafeBufferPointer(start: buffer.pointer(to: Float.self), count: expected.count))
        #expect(distance(tokens, expected) <= tolerance)
      }
    }
  }

  @Test(arguments: float) func routesInFloat(_ fixture: ModelFixture) throws {
    let router = try fixture.router()
    let tolerance = try #require(fixture.tolerance)
    for route in fixture.routes {
      try fixture.withQuery(route) { query in
        let decision = try router.route(query)
        #expect(distance(decision.gate, route.gate) <= tolerance)
        for (index, candidate) in fixture.candidates.enumerated() {
          let entry = try #require(decision.ranked.first { $0.name == candidate.name })
          #expect(abs(entry.logit - route.logit[index]) <= 4 * tolerance)
          #expect(abs(entry.confidence - route.confidence[index]) <= tolerance)
        }
      }
    }
  }

  @Test(arguments: int8) func encodesInInt8(_ fixture: ModelFixture) throws {
    let router = try fixture.router()
    let least = try #require(fixture.cosine)
    for question in fixture.questions {
      let encoded = try router.encode(question: .text(question.text))
      #expect(cosine(encoded.embedding, question.embedding) >= least)
    }
    for image in fixture.images {
      let encoded = try ModelFixture.pixels(image.image).withUnsafeBufferPointer {
        try router.encode(image: ImageInput(.prepared($0)))
      }
      #expect(cosine(encoded.embedding, image.embedding) >= least)
    }
  }

  /// The files' widths are tiny, so that quantisation costs more than it does at full size.
  @Test(arguments: int8) func routesInInt8(_ fixture: ModelFixture) throws {
    let router = try fixture.router()
    for route in fixture.routes {
      try fixture.withQuery(route) { query in
        let decision = try router.route(query)
        for (index, candidate) in fixture.candidates.enumerated() {
          let entry = try #require(decision.ranked.first { $0.name == candidate.name })
          #expect(abs(entry.confidence - route.confidence[index]) <= 0.1)
        }
      }
    }
  }
}
