import Testing

@testable import ARMS

@Suite struct SaveTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test(arguments: ModelFixture.all) func decidesTheSameWhenOpenedAgain(_ fixture: ModelFixture) throws {
    let router = try fixture.router()
    try router.add([
      Candidate(
        name: "日本 \"new\"", profile: "Reads charts.", cost: 0.25, latency: nil, temperature: 0.5, bias: -1,
        maxImages: 0, isEnabled: true),
      Candidate(name: "off", profile: "Slow.", cost: nil, latency: 7, maxImages: 3, isEnabled: false),
      router.fixed("given", 0.25),
    ])
    let path = directory.path + "/saved.gguf"
    try router.save(to: path)
    let again = try Router(path: path)
    #expect(again.candidates == router.candidates)
    #expect(again.listing.generation == 1)
    for candidate in router.candidates {
      #expect(
        try again.embedding(ofCandidate: candidate.name)
          == (try router.embedding(ofCandidate: candidate.name)))
    }
    for (number, question) in fixture.questions.enumerated() {
      let query = Query(question: question.text, images: (0..<number % 3).map { image($0) })
      #expect(same(try router.route(query), try again.route(query)))
    }
  }

  @Test func keepsTheRestOfTheFile() throws {
    let router = try paper.router()
    let path = directory.path + "/saved.gguf"
    try router.save(to: path)
    let (old, new) = (try ModelFile(path: paper.path, copy: false), try ModelFile(path: path, copy: false))
    #expect(Set(new.keys) == Set(old.keys) && Set(new.tensorNames) == Set(old.tensorNames))
    for key in old.keys where !key.hasPrefix("arms.candidate.") {
      #expect(old.value(key)?.payload.elementsEqual(try #require(new.value(key)).payload) == true, "\(key)")
    }
    for name in old.tensorNames {
      let (left, right) = (try #require(old.tensor(name)), try #require(new.tensor(name)))
      #expect(left.shape == right.shape && left.data.elementsEqual(right.data), "\(name)")
    }
  }

  @Test func savesWithoutCandidatesAndOverItself() throws {
    let router = try paper.emptyRouter()
    let path = directory.path + "/saved.gguf"
    try router.save(to: path)
    let empty = try Router(path: path)
    #expect(empty.candidates.isEmpty)
    #expect(!empty.file.has("arms.candidate.names") && empty.file.tensor("candidate.embedding") == nil)
    try empty.add([empty.fixed("a", 1)])
    try empty.save(to: path)
    #expect(try empty.route(Query(question: "")).name == "a")
    #expect(try Router(path: path).candidates.map(\.name) == ["a"])
    #expect(directory.names == ["saved.gguf"])
    #expect(failure { try router.save(to: directory.path + "/none/saved.gguf") }?.code == .io)
  }

  /// A profile that another text encoder embedded is embedded anew; a given embedding stays.
  @Test func embedsStaleProfilesAgain() throws {
    let model = try EditedModel(paper)
    model.set("arms.candidate.encoders", .stringArray(["another", "another", ""]))
    let (router, old) = (try Router(path: try model.write(to: directory)), try paper.router())
    for name in ["small", "large"] {
      let encoded = try router.encode(question: .text(try router.profile(ofCandidate: name)))
      #expect(distance(try router.embedding(ofCandidate: name), encoded.embedding) <= 1e-5)
    }
    #expect(try router.embedding(ofCandidate: "reader") == (try old.embedding(ofCandidate: "reader")))
    #expect(router.candidates[0].encoderHash == router.networks[0].text.hash)
  }

  @Test func refusesDamagedCandidates() throws {
    func expect(
      _ text: String, dropping dropped: String = "", _ change: (EditedModel) throws -> Void
    ) throws {
      let model = try EditedModel(paper, keeping: { $0 != dropped })
      try change(model)
      let path = try model.write(to: directory)
      let error = failure { try Router(path: path) }
      #expect(error?.code == .invalidModel, "\(error?.description ?? "no error")")
      #expect(
        error?.message.hasPrefix(path) == true && error?.message.contains(text) == true,
        "\(error?.description ?? "no error")")
    }
    let many = String(repeating: "n", count: 96)
    try expect("two candidates") {
      $0.set("arms.candidate.names", .stringArray(["small", "large", "small"]))
    }
    try expect("96 bytes") { $0.set("arms.candidate.names", .stringArray(["small", "large", many])) }
    try expect("for 3 names") { $0.set("arms.candidate.profiles", .stringArray(["a", "b"])) }
    try expect("cost") { $0.set("arms.candidate.costs", .float64Array([1, 2, -1])) }
    try expect("latency") { $0.set("arms.candidate.latencies", .float64Array([1, .infinity, 1])) }
    try expect("neither") { $0.set("arms.candidate.profiles", .stringArray(["", "b", "c"])) }
    try expect("temperature", dropping: "candidate.temperature") {
      $0.add("candidate.temperature", shape: [3], [1, 0, 1] as [Float])
    }
    try expect("candidate.bias", dropping: "candidate.bias") {
      $0.add("candidate.bias", shape: [3], [1, .nan, 1] as [Float])
    }
    for name in ["candidate.embedding", "candidate.delta"] {
      try expect("\"\(name)\" has nan at 29", dropping: name) {
        var values = try $0.floats(name)
        values[24 + 5] = .nan
        $0.add(name, shape: [3, 24], values)
      }
    }
  }
}
