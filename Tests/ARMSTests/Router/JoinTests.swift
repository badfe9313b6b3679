import Testing

@testable import ARMS

@Suite struct JoinTests {
  private let directory: TemporaryDirectory
  private let query = Query(question: "What is the highest value?", images: [image(0)])

  init() throws { directory = try TemporaryDirectory() }

  private func joined(_ first: Router, _ second: Router, theta: Float? = nil) throws -> Router {
    let path = directory.path + "/model.gguf"
    try first.join(second, to: path, theta: theta)
    return try Router(path: path)
  }

  private func size(_ path: String) throws -> Int { try FileBytes(path: path, copy: false).bytes.count }

  /// Two fixtures with encoders of their own, and one with itself.
  @Test(arguments: [
    ("distilbert-concat-scaled.gguf", "bert-patches-paper.gguf"),
    ("bert-patches-paper.gguf", "distilbert-pooled-paper.gguf"),
    ("bert-patches-paper.gguf", "bert-patches-paper.gguf"),
  ]) func decidesAsTheTwoFilesDo(names: (String, String)) throws {
    let (first, second) = (
      try ModelFixture.named(names.0).emptyRouter(), try ModelFixture.named(names.1).emptyRouter()
    )
    try first.add([Candidate(name: "small", profile: "A small model."), first.fixed("medium", 0.2)])
    try second.add([Candidate(name: "large", profile: "A large model."), second.fixed("weak", -1)])
    let router = try joined(first, second)
    for theta in [0, 0.55, 1] as [Float] {
      var options = RouteOptions(policy: .cascade(theta: theta))
      let inOne = try router.route(query, options)
      options.second = second
      #expect(same(inOne, try first.route(query, options)))
    }
    #expect(router.candidates.map(\.router) == [0, 0, 1, 1])
  }

  @Test func writesSharedEncodersOnce() throws {
    let (first, second) = (try paper.emptyRouter(), try paper.emptyRouter())
    let router = try joined(first, second)
    #expect(router.networks[0].text === router.networks[1].text)
    #expect(router.networks[0].image === router.networks[1].image)
    #expect(router.networks[0].head !== router.networks[1].head)
    let path = directory.path + "/model.gguf"
    #expect(try size(path) < 2 * size(paper.path))
    #expect(router.file.tensorNames.filter { $0.hasPrefix("second.t.") }.isEmpty)
  }

  @Test func keepsTheta() throws {
    let (first, second) = (try paper.emptyRouter(), try paper.emptyRouter())
    #expect(try joined(first, second).snapshots.load().model.defaultTheta == 0.5)
    #expect(try joined(first, second, theta: 0.75).snapshots.load().model.defaultTheta == 0.75)
  }

  /// A single router ignores what would be a second one's; in a cascade it would count.
  @Test func leavesOutWhatASingleRouterIgnores() throws {
    let edited = try EditedModel(paper)
    edited.set("arms.second.text.block_count", .uint32(7))
    edited.set("second.note", .string("a key"))
    edited.add("second.gate.weight", shape: [1], [1] as [Float])
    let (first, second) = (
      try Router(path: try edited.write(to: directory, "first.gguf")), try paper.router()
    )
    try first.remove(first.candidates.map(\.name))
    let router = try joined(first, second)
    #expect(router.candidates == second.candidates.map { $0.ofSecondRouter })
    let again = try joined(second, first)
    #expect(!again.file.keys.contains { $0.contains("second.note") || $0.contains("second.second") })
  }

  /// Encoders that have one name and are not the same: what does not open leaves the old file.
  @Test func refusesWhatWouldNotOpen() throws {
    let hash = try paper.router().networks[0].text.hash
    let edited = try EditedModel(.named("distilbert-concat-scaled.gguf"))
    edited.set("arms.text.hash", .string(hash))
    let (first, second) = (
      try paper.emptyRouter(), try Router(path: try edited.write(to: directory, "b.gguf"))
    )
    try second.remove(second.candidates.map(\.name))
    #expect(first.description.textWidth != second.description.textWidth)
    let path = try directory.file("model.gguf", [1, 2, 3])
    #expect(failure { try first.join(second, to: path) }?.code == .invalidModel)
    #expect(try contents(path) == [1, 2, 3])
    #expect(directory.names == ["b.gguf", "model.gguf"])
  }

  @Test func refusesWhatMakesNoCascade() throws {
    let (first, second) = (try paper.emptyRouter(), try paper.emptyRouter())
    try first.add([first.fixed("one", 0)])
    let path = directory.path + "/refused.gguf"
    for theta in [-0.1, 1.1, .nan] as [Float] {
      #expect(failure { try first.join(second, to: path, theta: theta) }?.code == .invalidArgument)
    }
    let cascade = try joined(first, second)
    #expect(failure { try cascade.join(second, to: path) }?.message.contains("first router") == true)
    #expect(failure { try second.join(cascade, to: path) }?.message.contains("second router") == true)
    try second.add([second.fixed("one", 0)])
    let twice = failure { try first.join(second, to: path) }
    #expect(twice?.code == .alreadyExists && twice?.message.contains("\"one\"") == true)
    #expect(failure { try FileBytes(path: path, copy: false) }?.code == .io)
  }
}

extension Candidate {
  fileprivate var ofSecondRouter: Candidate {
    var candidate = self
    candidate.router = 1
    return candidate
  }
}
