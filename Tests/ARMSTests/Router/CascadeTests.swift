import Testing

@testable import ARMS

@Suite struct CascadeTests {
  let first: Router
  let second: Router
  let directory: TemporaryDirectory
  let query = Query(question: "What is the highest value?", images: [image(0)])

  init() throws {
    directory = try TemporaryDirectory()
    first = try paper.emptyRouter()
    second = try ModelFixture.named("distilbert-concat-scaled.gguf").emptyRouter()
    try first.add([first.fixed("small", 0), first.fixed("medium", 0.5)])
    try second.add([second.fixed("large", 2), second.fixed("weak", -1)])
  }

  private func cascade(_ theta: Float?) -> RouteOptions {
    var options = RouteOptions(policy: .cascade(theta: theta))
    options.second = second
    return options
  }

  @Test func staysInTheFirstPoolAboveTheta() throws {
    for theta in [0, 0.3, sigmoid(0.5).nextDown.nextDown.nextDown.nextDown] as [Float] {
      let decision = try first.route(query, cascade(theta))
      #expect(decision.ranked.map(\.name) == ["medium", "small"])
      #expect(decision.name == "medium" && decision.rankedCount == 2)
      #expect(decision.secondGate.isEmpty && !decision.usedSecondRouter)
      #expect(decision.ranked.allSatisfy { $0.router == 0 })
    }
  }

  @Test func comparesWithTheSecondPoolOtherwise() throws {
    let best = try first.route(query).confidence
    // Above theta, not at it.
    for theta in [best, 0.7, 1] {
      let decision = try first.route(query, cascade(theta))
      #expect(decision.ranked.map(\.name) == ["large", "medium", "small", "weak"])
      #expect(decision.ranked.map(\.router) == [1, 0, 0, 1])
      #expect(decision.name == "large" && decision.usedSecondRouter)
      #expect(decision.gate == (try first.route(query).gate))
      #expect(decision.secondGate == (try second.route(query).gate))
    }
  }

  /// The second network's scores are those that it gives alone.
  @Test func mergesTheScoresOfBoth() throws {
    let (small, large) = (try paper.router(), try ModelFixture.named("distilbert-pooled-paper.gguf").router())
    var options = RouteOptions(policy: .cascade(theta: 1))
    options.second = large
    let decision = try small.route(query, options)
    let alone = [try small.route(query), try large.route(query)]
    for entry in decision.ranked {
      let same = try #require(alone[entry.router].ranked.first { $0.name == entry.name })
      #expect(entry.logit == same.logit && entry.confidence == same.confidence)
    }
    #expect(decision.rankedCount == alone[0].rankedCount + alone[1].rankedCount)
    #expect(decision.ranked.map(\.confidence) == decision.ranked.map(\.confidence).sorted(by: >))
  }

  @Test func aSecondFileJoinsEveryPolicy() throws {
    var options = RouteOptions()
    options.second = second
    let decision = try first.route(query, options)
    #expect(decision.ranked.map(\.name) == ["large", "medium", "small", "weak"] && decision.usedSecondRouter)
    options.allowed = ["small", "weak"]
    #expect(try first.route(query, options).ranked.map(\.name) == ["small", "weak"])
  }

  @Test func poolsOfEqualConfidencesAreComparedByTheirLogits() throws {
    try first.add([first.fixed("sure", 40)])
    try second.add([second.fixed("surer", 80), second.fixed("sure too", 30)])
    let decision = try first.route(query, cascade(1))
    #expect(decision.ranked.prefix(3).map(\.name) == ["surer", "sure", "sure too"])
    #expect(decision.ranked.prefix(3).map(\.confidence) == [1, 1, 1])
  }

  @Test func skipsAPoolOfWhichNobodyIsLeft() throws {
    var options = cascade(0)
    options.allowed = ["weak"]
    let decision = try first.route(query, options)
    #expect(decision.ranked.map(\.name) == ["weak"] && decision.usedSecondRouter && decision.gate.isEmpty)
    #expect(decision.questionTokens == (try second.route(query).questionTokens))
    options.allowed = ["small"]
    options.policy = .cascade(theta: 1)
    #expect(try first.route(query, options).usedSecondRouter == false)
    options.allowed = ["small", "nobody"]
    #expect(failure { try first.route(query, options) }?.code == .notFound)
  }

  @Test func needsASecondRouter() throws {
    let none = failure { try first.route(query, RouteOptions(policy: .cascade(theta: nil))) }
    #expect(none?.code == .invalidArgument && none?.message.contains("second router") == true)
    var options = RouteOptions(policy: .cascade(theta: 0.5))
    options.second = first
    let itself = failure { try first.route(query, options) }
    #expect(itself?.code == .invalidArgument && itself?.message.contains("first one") == true)
  }

  @Test func readsWhatIsEncodedOnlyIfItsEncoderIsItsOwn() throws {
    let encoded = Query(.encoded(try first.encode(question: .text("What?"))))
    #expect(try first.route(encoded, cascade(0)).usedSecondRouter == false)
    let error = failure { try first.route(encoded, cascade(1)) }
    #expect(error?.code == .invalidArgument && error?.message.contains("another text encoder") == true)
  }

  // MARK: Two routers in one file

  private func twoInOne(theta: Float? = nil) throws -> String {
    let model = try EditedModel(paper)
    try model.addSecondRouter()
    if let theta { model.set("arms.cascade.theta", .float32(theta)) }
    return try model.write(to: directory)
  }

  /// A second router from another file takes the place of this file's own.
  @Test func saysThatAnAllowedNameIsInNoPoolOfTheCall() throws {
    let router = try Router(path: try twoInOne())
    try router.add([router.fixed("inner", 0, router: 1)])
    var options = RouteOptions()
    options.allowed = ["inner"]
    #expect(try router.route(query, options).name == "inner")
    options.second = second
    let error = failure { try router.route(query, options) }
    #expect(error?.code == .notFound)
    #expect(error?.message.contains("\"inner\", which is no candidate of the pools of this call") == true)
  }

  @Test func whatIsEncodedServesBothRoutersOfAFile() throws {
    let model = try EditedModel(.named("distilbert-patches-scaled.gguf"))
    try model.addSecondRouter()
    try model.addSecondEncoders()
    let router = try Router(path: try model.write(to: directory))
    #expect(router.networks[0].text !== router.networks[1].text)
    #expect(router.networks[0].image !== router.networks[1].image)
    try router.add([router.fixed("other", 0, router: 1)])
    let options = RouteOptions(policy: .cascade(theta: 1))
    let question = try router.encode(question: .text("Which bar is the highest?"))
    let expected = try router.route(Query(question: "Which bar is the highest?", images: [image(1)]), options)
    let picture = try router.encode(image: image(1))
    let encoded = try router.route(Query(.encoded(question), images: [.encoded(picture)]), options)
    #expect(expected.usedSecondRouter && same(encoded, expected))
  }

  @Test func oneFileHoldsTwoRouters() throws {
    let router = try Router(path: try twoInOne())
    #expect(router.description.routers == 2)
    #expect(router.networks[0].text === router.networks[1].text)
    #expect(router.networks[0].image === router.networks[1].image)
    try router.remove(router.candidates.map(\.name))
    // The second's come after the first's, however they are added.
    try router.add([router.fixed("large", 2, router: 1), router.fixed("small", 0)])
    try router.add([router.fixed("weak", -1, router: 1), router.fixed("medium", 0.5)])
    #expect(router.candidates.map(\.name) == ["small", "medium", "large", "weak"])
    #expect(router.candidates.map(\.router) == [0, 0, 1, 1])
    #expect(router.refusal { try $0.add([$0.fixed("large", 0)]) }?.code == .alreadyExists)
    let stays = try router.route(query, RouteOptions(policy: .cascade(theta: 0.5)))
    #expect(stays.ranked.map(\.name) == ["medium", "small"] && !stays.usedSecondRouter)
    let moves = try router.route(query, RouteOptions(policy: .cascade(theta: 0.9)))
    #expect(moves.ranked.map(\.name) == ["large", "medium", "small", "weak"])
    #expect(moves.secondGate.count == 3 && moves.secondGate[2] > moves.gate[2])
    #expect(try router.route(query).ranked.map(\.name) == moves.ranked.map(\.name))
    #expect(
      try router.scores([query])[0]
        == ["small", "medium", "large", "weak"].map { name in
          moves.ranked.first { $0.name == name }?.confidence
        })
    try router.remove(["large", "small"])
    #expect(router.candidates.map(\.name) == ["medium", "weak"])
  }

  @Test func theFileMayNameItsTheta() throws {
    let best = try first.route(query).confidence
    for (theta, moves) in [(nil, false), (0.9, true), (0, false), (1, true)] as [(Float?, Bool)] {
      let router = try Router(path: try twoInOne(theta: theta))
      try router.remove(router.candidates.map(\.name))
      try router.add([router.fixed("a", 0.5), router.fixed("b", 0, router: 1)])
      #expect(try router.route(query).confidence == best)
      #expect(try router.route(query, RouteOptions(policy: .cascade(theta: nil))).usedSecondRouter == moves)
      #expect(try router.route(query, RouteOptions(policy: .cascade(theta: 1))).usedSecondRouter)
    }
    for theta in [-0.1, 1.1] as [Float] {
      let path = try twoInOne(theta: theta)
      let error = failure { try Router(path: path) }
      #expect(error?.code == .invalidModel && error?.message.contains("arms.cascade.theta") == true)
    }
  }

  @Test func savesBothPools() throws {
    let router = try Router(path: try twoInOne())
    try router.add([
      Candidate(name: "x", profile: "Large and slow.", cost: 1, bias: 0.5, maxImages: 0, router: 1),
      router.fixed("y", 1, router: 1),
    ])
    let path = directory.path + "/saved.gguf"
    try router.save(to: path)
    let again = try Router(path: path)
    #expect(again.candidates == router.candidates && again.description.routers == 2)
    for theta in [0, 1] as [Float] {
      let options = RouteOptions(policy: .cascade(theta: theta))
      #expect(same(try router.route(query, options), try again.route(query, options)))
    }
  }
}
