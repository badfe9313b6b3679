import Testing

@testable import ARMS

@Suite struct MetricsTests {
  @Test func countsRoutesAndChoices() throws {
    let router = try paper.emptyRouter()
    try router.add([router.fixed("good", 3), router.fixed("bad", -3)])
    for _ in 0..<4 { _ = try router.route(Query(question: "What?", images: [image(0), image(1)])) }
    var options = RouteOptions()
    options.abstainBelow = 1
    _ = try router.route(Query(question: String(repeating: "a ", count: 5_000)), options)
    options.allowed = ["none"]
    #expect(failure { try router.route(Query(question: "What?"), options) }?.code == .notFound)
    _ = try router.scores([Query(question: "What?"), Query(question: "Who?")])
    let metrics = router.metrics
    #expect(metrics.routes == 5 && metrics.abstentions == 1 && metrics.truncatedQuestions == 1)
    #expect(metrics.scores == 1 && metrics.scoredQueries == 2 && metrics.errors == [.notFound: 1])
    #expect(metrics.stages[.route]?.count == 5 && metrics.stages[.decode]?.count == 8)
    #expect(metrics.stages[.image]?.count == 4 && metrics.stages[.head]?.count == 6)
    #expect(router.listing.candidates.map(\.name) == ["good", "bad"] && router.listing.chosen == [4, 0])
  }

  /// What came encoded is a hit of the host's cache, in routes and scores that are answered.
  @Test func countsWhatCameEncoded() throws {
    let router = try paper.emptyRouter()
    try router.add([router.fixed("good", 3)])
    let question = try router.encode(question: .text("What?"))
    let encoded = Query.Image.encoded(try router.encode(image: image(0)))
    _ = try router.route(Query(.encoded(question), images: [encoded, encoded]))
    let half = Query(.text("How?"), images: [encoded])
    _ = try router.scores([Query(.encoded(question)), Query(question: "Who?"), half])
    var options = RouteOptions()
    options.allowed = ["none"]
    #expect(failure { try router.route(Query(.encoded(question)), options) }?.code == .notFound)
    #expect(router.metrics.reusedQuestions == 2 && router.metrics.reusedImages == 3)
  }

  /// A candidate keeps its count as long as the router has one of its name.
  @Test func choicesOutliveChangesAndWeights() throws {
    let router = try paper.emptyRouter()
    try router.add([router.fixed("first", 0), router.fixed("good", 3)])
    _ = try router.route(Query(question: "What?"))
    try router.add([router.fixed("new", -1)])
    try router.update([router.fixed("good", 2)])
    try router.remove(["first"])
    let other = try paper.emptyRouter()
    try other.add([other.fixed("good", 5), other.fixed("strange", 0)])
    _ = try other.route(Query(question: "What?"))
    try router.replace(with: other)
    _ = try router.route(Query(question: "What?"))
    #expect(router.listing.candidates.map(\.name) == ["good", "strange"] && router.listing.chosen == [2, 0])
    #expect(other.listing.chosen == [1, 0] && router.metrics.reloads == 1)
    try router.remove(["good"])
    try router.add([router.fixed("good", 5)])
    #expect(router.listing.chosen == [0, 0])
  }

  @Test func countsTheSecondRouter() throws {
    let (first, second) = (try paper.emptyRouter(), try paper.emptyRouter())
    try first.add([first.fixed("small", 0)])
    try second.add([second.fixed("large", 2)])
    var options = RouteOptions(policy: .cascade(theta: 0.9))
    options.second = second
    _ = try first.route(Query(question: "What?"), options)
    options.policy = .cascade(theta: 0.1)
    _ = try first.route(Query(question: "What?"), options)
    #expect(first.metrics.routes == 2 && first.metrics.secondRouter == 1)
    #expect(first.listing.chosen == [1] && second.listing.chosen == [1] && second.metrics.routes == 0)
  }
}
