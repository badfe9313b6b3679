import Glibc
import Testing

@testable import ARMS

/// Weights and candidates that are swapped as one.
@Suite struct ReplaceTests {
  private static let pooled = ModelFixture.named("bert-pooled-scaled.gguf")
  private static let wide = ModelFixture.named("distilbert-patches-scaled.gguf")

  private static var queries: [Query] {
    [Query(question: "What is the highest value?", images: [image(1)]), Query(question: "Who?")]
  }

  @Test(arguments: ModelFixture.all) func decidesAsTheOther(_ fixture: ModelFixture) throws {
    let (router, other) = (try paper.router(threads: 3), try fixture.router(threads: 1))
    try other.add([other.fixed("new", 1)])
    let listing = other.listing
    #expect(try router.replace(with: other) == 2)
    #expect(router.candidates == listing.candidates)
    #expect(router.description.generation == 2 && router.description.threads == 3)
    for query in Self.queries {
      let decision = try router.route(query)
      #expect(same(decision, try other.route(query)) && decision.generation == 2)
    }
    try router.remove(["new"])
    #expect(router.listing.generation == 3)
    #expect(other.listing.generation == listing.generation && other.candidates == listing.candidates)
  }

  /// The router replaced is held by nobody but the calls in flight and what they made.
  @Test func theOldWeightsGo() throws {
    let router = try paper.router()
    weak let old = router.snapshots.load()
    weak let model = router.snapshots.load().model
    try router.replace(with: Self.wide.router())
    #expect(old == nil && model == nil)
  }

  /// Two routers of other text widths, all of whose candidates have profiles.
  private static func described() throws -> (Router, Router) {
    let routers = (try paper.router(), try Self.wide.router())
    for router in [routers.0, routers.1] { try router.remove(["reader"]) }
    return routers
  }

  /// The generation tells which weights made a decision: even ones the other router's.
  @Test func changesWhileOthersRoute() throws {
    let (router, first, second) = (try paper.router(), try paper.router(), try Self.wide.router())
    let expected = try Self.queries.map { [try second.route($0), try first.route($0)] }
    let (done, wrong, answers) = (Counter(), Counter(), Counter())
    let threads = Threads(4) { _ in
      let queries = Self.queries
      var last: UInt64 = 0
      while done.value == 0 || answers.value < 8 {
        for (number, query) in queries.enumerated() {
          guard let decision = try? router.route(query),
            same(decision, expected[number][Int(decision.generation % 2)]), decision.generation >= last
          else {
            wrong.add()
            continue
          }
          last = decision.generation
          answers.add()
        }
      }
    }
    for _ in 0..<100 {
      try router.replace(with: second)
      try router.replace(with: first)
    }
    done.add()
    threads.join()
    #expect(wrong.value == 0 && router.listing.generation == 201)
  }

  @Test func keepsThePresentCandidates() throws {
    let (router, other) = try Self.described()
    try router.remove(["large"])
    try router.add([
      Candidate(name: "b", profile: "Reads charts.", cost: 3, temperature: 2, bias: -1),
      Candidate(name: "a", profile: "Counts.", latency: 4, maxImages: 1, isEnabled: false),
    ])
    try router.update([Candidate(name: "small", profile: "", cost: 9, temperature: 5, isEnabled: false)])
    let before = router.candidates
    try router.replace(with: other, candidates: .present)
    let after = router.candidates
    #expect(after.map(\.name) == before.map(\.name))
    for (old, new) in zip(before, after) {
      #expect(old.cost == new.cost && old.latency == new.latency && old.maxImages == new.maxImages)
      #expect(old.isEnabled == new.isEnabled && old.profile == new.profile)
      // Known to the new weights, and so calibrated by them; or added, and calibrated as before.
      let known = other.candidates.first { $0.name == new.name }
      #expect(new.temperature == (known ?? old).temperature && new.bias == (known ?? old).bias)
      #expect(new.beta == known?.beta ?? 0)
    }
    // As a router of those weights to which they were added.
    try other.remove(["large"])
    try other.add([before[1], before[2]])
    try other.enable(["small"], false)
    for query in Self.queries { #expect(same(try router.route(query), try other.route(query))) }
  }

  /// A candidate with another profile is another one, even of that name.
  @Test func takesNothingLearnedOfAnotherProfile() throws {
    let (router, other) = try Self.described()
    try router.remove(["small"])
    try router.add([Candidate(name: "small", profile: "Something else.", temperature: 3)])
    try router.replace(with: other, candidates: .present)
    let small = try #require(router.candidates.first { $0.name == "small" })
    #expect(small.profile == "Something else." && small.temperature == 3 && small.beta == 0)
    let encoded = try other.encode(question: .text("Something else."))
    #expect(distance(try router.embedding(ofCandidate: "small"), encoded.embedding) <= 1e-5)
  }

  @Test func keepsGivenEmbeddingsWhereTheyFit() throws {
    let (router, other) = try Self.described()
    try router.add([router.fixed("given", 1)])
    let error = router.refusal { try $0.replace(with: other, candidates: .present) }
    #expect(error?.code == .invalidArgument && error?.message.contains("\"given\"") == true)
    try router.replace(with: Self.pooled.router(), candidates: .present)
    #expect(try router.embedding(ofCandidate: "given").allSatisfy { $0 == 1 })
    #expect(router.candidates.last?.bias == 1)
  }

  @Test func refusesToKeepTheSecondRoutersInAFileWithoutOne() throws {
    let directory = try TemporaryDirectory()
    let model = try EditedModel(paper)
    try model.addSecondRouter()
    let router = try Router(path: try model.write(to: directory))
    try router.add([router.fixed("second", 1, router: 1)])
    let error = router.refusal { try $0.replace(with: paper.router(), candidates: .present) }
    #expect(error?.code == .invalidArgument && error?.message.contains("\"second\"") == true)
    try router.replace(with: paper.router())
    #expect(router.description.routers == 1)
    let cascade = try Router(path: try model.write(to: directory))
    try router.replace(with: cascade, candidates: .present)
    #expect(router.description.routers == 2 && router.candidates.map(\.router) == [0, 0, 0])
  }

  @Test func encodedQueriesGoOnWithTheSameEncoders() throws {
    let directory = try TemporaryDirectory()
    let router = try paper.router()
    let query = Query(
      try .encoded(router.encode(question: .text("What?"))),
      images: [.encoded(try router.encode(image: image(2)))])
    let model = try EditedModel(paper, keeping: { $0 != "gate.bias" })
    model.add("gate.bias", shape: [3], [0, 2, 0] as [Float])
    let retrained = try Router(path: try model.write(to: directory))
    try router.replace(with: retrained)
    let expected = try retrained.route(Query(question: "What?", images: [image(2)]))
    #expect(same(try router.route(query), expected))
    try router.replace(with: Self.wide.router())
    let error = failure { try router.route(query) }
    #expect(error?.code == .invalidArgument && error?.message.contains("another text encoder") == true)
  }

  /// What is added while weights are replaced is embedded by the new ones.
  @Test func anAdditionWaitsForTheReplacement() throws {
    let (router, other) = (try paper.router(), try Self.wide.router())
    let began = Counter()
    var adding: Threads?
    router.snapshots.update { snapshot in
      adding = Threads(1) { _ in
        began.add()
        try? router.add([Candidate(name: "new", profile: "Reads charts.")])
      }
      while began.value == 0 { sched_yield() }
      for _ in 0..<100 { usleep(100) }
      let next = other.snapshots.load()
      return RouterSnapshot(generation: snapshot.generation + 1, model: next.model, pools: next.pools)
    }
    adding?.join()
    #expect(router.candidates.map(\.name) == other.candidates.map(\.name) + ["new"])
    try other.add([Candidate(name: "new", profile: "Reads charts.")])
    for query in Self.queries { #expect(same(try router.route(query), try other.route(query))) }
  }

  @Test func losesNoCandidateThatIsKept() throws {
    let (router, second) = try Self.described()
    let (first, _) = try Self.described()
    let adders = Threads(3) { adder in
      for number in 0..<20 {
        try? router.add([Candidate(name: "\(adder) \(number)", profile: "Number \(number).")])
      }
    }
    for number in 0..<40 { try router.replace(with: number % 2 == 0 ? second : first, candidates: .present) }
    adders.join()
    let names = Set(router.candidates.map(\.name))
    for adder in 0..<3 { for number in 0..<20 { #expect(names.contains("\(adder) \(number)")) } }
    #expect(router.listing.generation == 2 + 60 + 40)
  }
}
