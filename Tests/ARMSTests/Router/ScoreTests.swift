import Testing

@testable import ARMS

@Suite struct ScoreTests {
  /// Forty queries with none, one and two images, in more than one pass.
  private func queries(_ fixture: ModelFixture) -> [Query] {
    (0..<40).map { number in
      Query(
        question: fixture.questions[number % fixture.questions.count].text
          + String(repeating: " a", count: number / 5),
        images: (0..<number % 3).map { image((number + $0) % 8) })
    }
  }

  @Test(arguments: ModelFixture.all) func scoresAreThoseOfRoutes(_ fixture: ModelFixture) throws {
    let router = try fixture.router()
    // Nobody is left out of the routes.
    try router.update(
      router.candidates.map { candidate in
        var candidate = candidate
        candidate.maxImages = nil
        return candidate
      })
    let queries = queries(fixture)
    let names = router.candidates.map(\.name)
    let (confidences, logits) = (try router.scores(queries), try router.scores(queries, output: .logit))
    for (number, query) in queries.enumerated() {
      let ranked = try router.route(query).ranked
      for (column, name) in names.enumerated() {
        let entry = try #require(ranked.first { $0.name == name })
        #expect(abs(confidences[number][column] - entry.confidence) <= 1e-6)
        #expect(abs(logits[number][column] - entry.logit) <= 4e-6)
      }
    }
  }

  @Test func columnsAreTheEnabledOrTheNamed() throws {
    let router = try paper.router()
    let queries = Array(queries(paper).prefix(3))
    let all = try router.scores(queries)
    #expect(all.allSatisfy { $0.count == 3 })
    let picked = try router.scores(queries, candidates: ["reader", "small", "reader"])
    #expect(picked == all.map { [$0[2], $0[0], $0[2]] })
    try router.enable(["large"], false)
    #expect(try router.scores(queries) == all.map { [$0[0], $0[2]] })
    let error = failure { try router.scores(queries, candidates: ["small", "none"]) }
    #expect(error?.code == .notFound && error?.message.contains("\"none\"") == true)
  }

  @Test func asksForRoomBeforeItScores() throws {
    let router = try paper.router()
    var asked = 0
    let generation = try router.score(queries(paper)) { columns in
      asked = columns
      return nil
    }
    #expect(asked == 3 && generation == router.listing.generation)
    #expect(try router.scores([]).isEmpty)
    let error = failure {
      try router.score(queries(paper)) { (_) throws(ARMSError) in
        throw ARMSError(.bufferTooSmall, "no room")
      }
    }
    #expect(error?.code == .bufferTooSmall)
  }

  /// A saved router may be opened with another number of threads, and must decide alike.
  @Test(arguments: ModelFixture.all) func threadsDoNotChangeABit(_ fixture: ModelFixture) throws {
    var single: [[Float]] = []
    for threads in [1, 2, 3, 5] {
      let router = try fixture.router(threads: threads)
      let scores = try fixture.routes.map { route in
        try fixture.withQuery(route) { try router.scores([$0])[0] }
      }
      if threads == 1 { single = scores }
      #expect(scores == single, "\(threads) threads")
    }
  }
}
