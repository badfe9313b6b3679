import Testing

@testable import ARMS

@Suite struct PolicyTests {
  let router: Router
  let query = Query(question: "What is this?")

  init() throws { router = try paper.emptyRouter() }

  private func decide(_ change: (inout RouteOptions) -> Void = { _ in }, images: Int = 0) throws -> Decision {
    var options = RouteOptions()
    change(&options)
    return try router.route(Query(question: "What is this?", images: (0..<images).map { image($0) }), options)
  }

  @Test func confidenceRanksAndKeepsTheOrderOfEquals() throws {
    let biases: [Float] = [0.5, -1, 2, 0.5, 2, 0.5]
    try router.add(biases.enumerated().map { router.fixed("c\($0)", $1) })
    let decision = try decide()
    #expect(decision.ranked.map(\.name) == ["c2", "c4", "c0", "c3", "c5", "c1"])
    #expect(decision.name == "c2" && decision.rankedCount == 6)
    for (entry, bias) in zip(decision.ranked, [2, 2, 0.5, 0.5, 0.5, -1] as [Float]) {
      #expect(abs(entry.confidence - sigmoid(bias)) <= 1e-6)
      #expect(entry.utility == entry.confidence && entry.router == 0)
    }
    #expect(decision.confidence == decision.ranked[0].confidence && decision.utility == decision.confidence)
    #expect(decision.gate.count == 3 && decision.secondGate.isEmpty && !decision.usedSecondRouter)
    #expect(abs(decision.gate.reduce(0, +) - 1) < 1e-5)
  }

  /// Confidences that are rounded to 1, or to 0, say nothing of who is better.
  @Test func ranksByTheLogitWhereConfidencesAreTheSame() throws {
    try router.add([
      router.fixed("good", 40, cost: 1), router.fixed("bad", -120, cost: 1),
      router.fixed("better", 80, cost: 1), router.fixed("worse", -200, cost: 1),
      router.fixed("best", 80.5, cost: 1), router.fixed("dear", 90, cost: 2),
    ])
    let expected = ["dear", "best", "better", "good", "bad", "worse"]
    for policy in [Policy.confidence, .utility(lambda: 0, mu: 0)] {
      let ranked = try decide { $0.policy = policy }.ranked
      #expect(ranked.map(\.name) == expected)
      #expect(ranked.map(\.confidence) == [1, 1, 1, 1, 0, 0])
    }
    // Utility comes first.
    let ranked = try decide { $0.policy = .utility(lambda: 0.25, mu: 0) }.ranked
    #expect(ranked.map(\.name) == ["best", "better", "good", "dear", "bad", "worse"])
  }

  @Test func labelIsWhetherItIsMoreLikelyThanNot() throws {
    try router.add([router.fixed("no", -0.01), router.fixed("even", 0), router.fixed("yes", 0.01)])
    let labels = try decide().ranked.map { "\($0.name) \($0.label)" }
    #expect(labels == ["yes true", "even false", "no false"])
  }

  @Test func utilityWeighsCostAndLatency() throws {
    // sigmoid(0) = 1/2, sigmoid(log 3) = 3/4
    try router.add([
      router.fixed("cheap", 0, cost: 0.001, latency: 100),
      router.fixed("good", 1.0986123, cost: 0.02, latency: 500),
    ])
    let free = try decide { $0.policy = .utility(lambda: 0, mu: 0) }
    #expect(free.name == "good" && abs(free.utility - 0.75) < 1e-6)
    let costly = try decide { $0.policy = .utility(lambda: 20, mu: 0) }
    #expect(costly.ranked.map(\.name) == ["cheap", "good"])
    #expect(abs(costly.utility - 0.48) < 1e-6 && abs(costly.confidence - 0.5) < 1e-6)
    #expect(abs(costly.ranked[1].utility - 0.35) < 1e-6)
    let slow = try decide { $0.policy = .utility(lambda: 1, mu: 0.001) }
    #expect(abs(slow.ranked[0].utility - 0.399) < 1e-6 && slow.name == "cheap")
    #expect(abs(slow.ranked[1].utility - 0.23) < 1e-6)
    let absurd = failure {
      try decide { $0.policy = .utility(lambda: .greatestFiniteMagnitude, mu: .greatestFiniteMagnitude) }
    }
    #expect(absurd?.code == .notFinite && absurd?.message.contains("cheap") == true)
  }

  @Test func saysWhichCandidateLacksACost() throws {
    try router.add([
      router.fixed("known", 0, cost: 1, latency: 1), router.fixed("no cost", 1, latency: 1),
      router.fixed("no latency", 1, cost: 1),
    ])
    func expect(_ name: String, _ value: String, _ reason: String, _ change: (inout RouteOptions) -> Void) {
      let error = failure { try decide(change) }
      #expect(error?.code == .missingValue)
      for part in ["\"\(name)\"", value, reason] {
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "no error")")
      }
    }
    expect("no cost", "cost", "lambda") { $0.policy = .utility(lambda: 1, mu: 0) }
    expect("no latency", "latency", "mu") { $0.policy = .utility(lambda: 0, mu: 1) }
    expect("no cost", "cost", "max_cost") { $0.maxCost = 5 }
    expect("no latency", "latency", "max_latency") { $0.maxLatency = 5 }
    // Neither is asked for what nobody reads.
    #expect(try decide { $0.policy = .utility(lambda: 0, mu: 0) }.rankedCount == 3)
    let allowed = try decide {
      $0.policy = .utility(lambda: 1, mu: 0)
      $0.allowed = ["known", "no latency"]
    }
    #expect(allowed.rankedCount == 2)
    try router.enable(["no cost"], false)
    #expect(try decide { $0.maxCost = 5 }.rankedCount == 2)
  }

  @Test func ceilingsLeaveOutWhatIsAbove() throws {
    try router.add([
      router.fixed("a", 0, cost: 1, latency: 30), router.fixed("b", 1, cost: 2, latency: 20),
      router.fixed("c", 2, cost: 3, latency: 10),
    ])
    #expect(try decide { $0.maxCost = 2 }.ranked.map(\.name) == ["b", "a"])
    #expect(try decide { $0.maxLatency = 20 }.ranked.map(\.name) == ["c", "b"])
    let both = try decide {
      $0.maxCost = 2
      $0.maxLatency = 20
    }
    #expect(both.ranked.map(\.name) == ["b"])
    #expect(failure { try decide { $0.maxCost = 0 } }?.code == .noCandidates)
  }

  /// Who is above one ceiling is left out by it, though the other one's value be unknown.
  @Test func ceilingsDoNotDependOnTheirOrder() throws {
    try router.add([
      router.fixed("fits", 0, cost: 1, latency: 10), router.fixed("dear", 1, cost: 9),
      router.fixed("slow", 1, latency: 90),
    ])
    let both = try decide {
      $0.maxCost = 2
      $0.maxLatency = 20
      $0.policy = .utility(lambda: 1, mu: 1)
    }
    #expect(both.ranked.map(\.name) == ["fits"])
    try router.add([router.fixed("unknown", 1, cost: 1)])
    let error = failure {
      try decide {
        $0.maxCost = 2
        $0.maxLatency = 20
      }
    }
    #expect(error?.code == .missingValue && error?.message.contains("\"unknown\"") == true)
  }

  @Test func choosesFromTheAllowed() throws {
    try router.add([router.fixed("a", 0), router.fixed("b", 1), router.fixed("c", 2)])
    #expect(try decide { $0.allowed = ["a", "b", "a"] }.ranked.map(\.name) == ["b", "a"])
    let unknown = failure { try decide { $0.allowed = ["a", "zebra", "yak"] } }
    #expect(unknown?.code == .notFound && unknown?.message.contains("\"yak\"") == true)
    #expect(failure { try decide { $0.allowed = [] } }?.code == .noCandidates)
    try router.enable(["a"], false)
    #expect(failure { try decide { $0.allowed = ["a"] } }?.code == .noCandidates)
  }

  @Test func allowsANameInAnotherSpellingOfUnicode() throws {
    try router.add([router.fixed("caf\u{e9}", 0), router.fixed("b", 1)])
    #expect(try decide { $0.allowed = ["cafe\u{301}"] }.ranked.map(\.name) == ["caf\u{e9}"])
  }

  @Test func leavesOutWhoTakesFewerImages() throws {
    try router.add([
      router.fixed("text", 3, maxImages: 0), router.fixed("one", 2, maxImages: 1), router.fixed("any", 1),
      router.fixed("off", 4, isEnabled: false),
    ])
    #expect(try decide(images: 0).ranked.map(\.name) == ["text", "one", "any"])
    #expect(try decide(images: 1).ranked.map(\.name) == ["one", "any"])
    #expect(try decide(images: 2).ranked.map(\.name) == ["any"])
    try router.enable(["any"], false)
    #expect(failure { try decide(images: 2) }?.code == .noCandidates)
  }

  @Test func saysWhatLeftEachCandidateOut() throws {
    #expect(
      failure { try decide() }?.message == "no candidate is left to choose from: the pool is empty")
    try router.add([
      router.fixed("off", 4, isEnabled: false), router.fixed("not named", 3),
      router.fixed("text", 2, maxImages: 0),
      router.fixed("dear", 1, cost: 2, latency: 10), router.fixed("dear too", 1, cost: 3, latency: 90),
      router.fixed("slow", 0, cost: 1, latency: 90),
    ])
    let error = failure {
      let change: (inout RouteOptions) -> Void = {
        $0.allowed = ["off", "text", "dear", "dear too", "slow"]
        $0.maxCost = 1.5
        $0.maxLatency = 50
      }
      return try decide(change, images: 1)
    }
    #expect(error?.code == .noCandidates)
    #expect(
      error?.message == "no candidate is left to choose from: of 6, 1 disabled, 1 not allowed, "
        + "1 taking fewer images than the query has, 2 above max_cost, 1 above max_latency")
  }

  @Test func abstainsBelowAConfidence() throws {
    try router.add([router.fixed("a", 0), router.fixed("b", 1)])
    let confidence = try decide().confidence
    let atBound = try decide { $0.abstainBelow = confidence }
    #expect(atBound.name == "b")
    let below = try decide { $0.abstainBelow = confidence.nextUp }
    #expect(below.name == nil && below.confidence == confidence)
    #expect(below.ranked.map(\.name) == ["b", "a"] && below.rankedCount == 2)
    #expect(try decide { $0.abstainBelow = 1 }.name == nil)
  }

  @Test func limitsTheRankedList() throws {
    try router.add([router.fixed("a", 0), router.fixed("b", 1), router.fixed("c", 2)])
    for (limit, names) in [(0, []), (1, ["c"]), (2, ["c", "b"]), (9, ["c", "b", "a"])] {
      let decision = try decide { $0.rankedLimit = limit }
      #expect(decision.ranked.map(\.name) == names)
      #expect(decision.name == "c" && decision.rankedCount == 3)
    }
  }

  @Test func refusesOptionsThatAreNoNumbersOrOutOfRange() throws {
    try router.add([router.fixed("a", 0, cost: 1, latency: 1)])
    func expect(_ code: ARMSError.Code, _ label: String, _ change: (inout RouteOptions) -> Void) {
      let error = failure { try decide(change) }
      #expect(
        error?.code == code && error?.message.contains(label) == true, "\(error?.message ?? "no error")")
    }
    expect(.notFinite, "abstain_below") { $0.abstainBelow = .nan }
    expect(.notFinite, "max_cost") { $0.maxCost = .nan }
    expect(.notFinite, "max_latency") { $0.maxLatency = .nan }
    expect(.notFinite, "theta") { $0.policy = .cascade(theta: .nan) }
    expect(.notFinite, "lambda") { $0.policy = .utility(lambda: .nan, mu: 0) }
    expect(.notFinite, "mu") { $0.policy = .utility(lambda: 0, mu: .nan) }
    for value in [-0.5, 1.5, Double.infinity, -.infinity] {
      expect(.invalidArgument, "abstain_below") { $0.abstainBelow = Float(value) }
      expect(.invalidArgument, "theta") { $0.policy = .cascade(theta: Float(value)) }
      if value == 1.5 { continue }
      expect(.invalidArgument, "max_cost") { $0.maxCost = value }
      expect(.invalidArgument, "max_latency") { $0.maxLatency = value }
      expect(.invalidArgument, "lambda") { $0.policy = .utility(lambda: value, mu: 0) }
      expect(.invalidArgument, "mu") { $0.policy = .utility(lambda: 0, mu: value) }
    }
    expect(.invalidArgument, "ranked") { $0.rankedLimit = -1 }
  }

  @Test func needsACandidate() throws {
    #expect(failure { try router.route(query) }?.code == .noCandidates)
    #expect(failure { try router.scores([query]) }?.code == .noCandidates)
    let unnamed = failure { try router.scores([query], candidates: []) }
    #expect(unnamed?.code == .noCandidates && unnamed?.message.contains("list of names") == true)
  }
}
