import Testing

@testable import ARMS

@Suite struct CandidateTests {
  private static let width = 24

  /// Each is added behind a candidate that is right.
  @Test func addsAllOrNone() throws {
    let router = try paper.router()
    let embedding = [Float](repeating: 0.5, count: Self.width)
    func candidate(_ name: String = "x", _ change: (inout Candidate) -> Void = { _ in }) -> Candidate {
      var candidate = Candidate(name: name, profile: "", embedding: embedding)
      change(&candidate)
      return candidate
    }
    func expect(_ code: ARMSError.Code, _ text: String, _ bad: Candidate) {
      let error = router.refusal { try $0.add([candidate("new"), bad]) }
      #expect(error?.code == code, "\(bad.name): \(error?.message ?? "no error")")
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
      #expect(error?.message.contains("\n") == false)
    }
    expect(.alreadyExists, "\"new\"", candidate("new"))
    expect(.alreadyExists, "\"large\"", candidate("large"))
    expect(.invalidArgument, "0 bytes", candidate(""))
    expect(.invalidArgument, "96 bytes", candidate(String(repeating: "n", count: 96)))
    expect(.invalidArgument, "96 bytes", candidate(String(repeating: "é", count: 48)))
    expect(.invalidArgument, "control", candidate("a\nb"))
    expect(.invalidArgument, "control", candidate("a\u{0}b"))
    expect(.invalidArgument, "control", candidate("a\u{7F}b"))
    expect(.invalidArgument, "neither", candidate { $0.embedding = nil })
    for count in [0, 1, Self.width - 1, Self.width + 1] {
      expect(
        .invalidArgument, "has \(count) numbers",
        candidate { $0.embedding = .init(repeating: 1, count: count) })
    }
    for value in [Float.nan, .infinity, -.infinity] {
      expect(.notFinite, "\"x\"", candidate { $0.embedding?[7] = value })
      expect(.notFinite, "\"x\"", candidate { $0.temperature = value })
      expect(.notFinite, "\"x\"", candidate { $0.bias = value })
      expect(.notFinite, "cost", candidate { $0.cost = Double(value) })
      expect(.notFinite, "latency", candidate { $0.latency = Double(value) })
    }
    // Its norm is beyond a float.
    expect(.notFinite, "\"x\"", candidate { $0.embedding = .init(repeating: 3e38, count: Self.width) })
    expect(.invalidArgument, "cost", candidate { $0.cost = -1 })
    expect(.invalidArgument, "latency", candidate { $0.latency = -0.5 })
    expect(.invalidArgument, "temperature", candidate { $0.temperature = 0 })
    expect(.invalidArgument, "temperature", candidate { $0.temperature = -1 })
    expect(.invalidArgument, "images", candidate { $0.maxImages = -1 })
    expect(.invalidArgument, "images", candidate { $0.maxImages = Int.max })
    for number in [-1, 1, Int.max] {
      expect(.invalidArgument, "router is \(number)", candidate { $0.router = number })
    }
  }

  @Test func takesWhatIsAtTheBounds() throws {
    let router = try paper.router()
    let names = [String(repeating: "n", count: 95), "日本 é \"quoted\"", " "]
    try router.add(names.map { router.fixed($0, 0, cost: 0, latency: 0, maxImages: 0) })
    #expect(router.candidates.map(\.name) == ["small", "large", "reader"] + names)
    #expect(router.candidates.last?.maxImages == 0)
  }

  @Test func everyChangeIsOneGeneration() throws {
    let router = try paper.router()
    let start = router.listing.generation
    try router.add([router.fixed("a", 0), router.fixed("b", 0), router.fixed("c", 0)])
    #expect(router.listing.generation == start + 1)
    try router.enable(["a", "c"], false)
    #expect(router.listing.generation == start + 2)
    #expect(router.candidates.map(\.isEnabled) == [true, true, true, false, true, false])
    try router.enable(["a", "a"])
    #expect(router.candidates.map(\.isEnabled) == [true, true, true, true, true, false])
    try router.remove(["small", "b", "small"])
    #expect(router.candidates.map(\.name) == ["large", "reader", "a", "c"])
    try router.update([router.fixed("a", 3)])
    #expect(router.listing.generation == start + 5)
    #expect(router.description.generation == start + 5 && router.description.candidates == 4)
    #expect(try router.route(Query(question: "")).generation == start + 5)
  }

  /// What is kept by its generation, as a cache of decisions, stays good.
  @Test func whatChangesNothingIsNoGeneration() throws {
    let router = try paper.router()
    let start = router.listing.generation
    try router.add([])
    try router.remove([])
    try router.enable([])
    try router.update([])
    try router.enable(["small", "large"])
    try router.update(Array(router.candidates[..<2]))
    #expect(router.listing.generation == start)
    #expect(failure { try router.enable(["small", "none"]) }?.code == .notFound)
  }

  @Test func changesAllOrNone() throws {
    let router = try paper.router()
    for change: (Router) throws -> Void in [
      { try $0.remove(["small", "none"]) }, { try $0.enable(["small", "none"], false) },
      { try $0.update([$0.fixed("small", 1), $0.fixed("none", 1)]) },
    ] {
      let error = router.refusal(change)
      #expect(error?.code == .notFound)
      #expect(error?.message.contains("\"none\"") == true)
    }
    func expect(_ code: ARMSError.Code, _ change: (inout Candidate) -> Void) {
      var bad = router.fixed("large", 1)
      change(&bad)
      let error = router.refusal { try $0.update([$0.fixed("small", 1), bad]) }
      #expect(
        error?.code == code && error?.message.contains("\"large\"") == true,
        "\(error?.message ?? "no error")")
    }
    expect(.notFinite) { $0.cost = .nan }
    expect(.notFinite) { $0.bias = .infinity }
    expect(.invalidArgument) { $0.temperature = 0 }
    expect(.invalidArgument) { $0.latency = -1 }
    expect(.invalidArgument) { $0.maxImages = -2 }
  }

  @Test func anUpdateKeepsProfileAndWeights() throws {
    let router = try paper.router()
    let old = try #require(router.candidates.first { $0.name == "small" })
    let (profile, embedding) = (
      try router.profile(ofCandidate: "small"), try router.embedding(ofCandidate: "small")
    )
    let logits = try router.scores([Query(question: "What is this?")], output: .logit)
    try router.update([
      Candidate(
        name: "small", profile: "", cost: 7, latency: nil, temperature: 2, bias: 1, maxImages: 0,
        isEnabled: false)
    ])
    let new = try #require(router.candidates.first { $0.name == "small" })
    #expect(new.cost == 7 && new.latency == nil && new.temperature == 2 && new.bias == 1)
    #expect(new.maxImages == 0 && !new.isEnabled && new.beta == old.beta && new.profile == old.profile)
    #expect(try router.profile(ofCandidate: "small") == profile)
    #expect(try router.embedding(ofCandidate: "small") == embedding)
    try router.enable(["small"])
    #expect(try router.scores([Query(question: "What is this?")], output: .logit) == logits)
  }

  @Test func anUpdateKeepsWhatItIsAskedTo() throws {
    let router = try paper.router()
    let start = Candidate(
      name: "small", profile: "", cost: 7, latency: 8, temperature: 2, bias: 1, maxImages: 3, isEnabled: false
    )
    // Were they not kept, they would be refused.
    let odd = Candidate(
      name: "small", profile: "", cost: .nan, latency: -1, temperature: 0, bias: .infinity, maxImages: -1)
    let fields: [(CandidateFields, (inout Candidate, Candidate) -> Void)] = [
      (.isEnabled, { $0.isEnabled = $1.isEnabled }), (.cost, { $0.cost = $1.cost }),
      (.latency, { $0.latency = $1.latency }), (.temperature, { $0.temperature = $1.temperature }),
      (.bias, { $0.bias = $1.bias }), (.maxImages, { $0.maxImages = $1.maxImages }),
    ]
    let all = fields.reduce(into: CandidateFields()) { $0.insert($1.0) }
    try router.update([start])
    let before = try #require(router.candidates.first)
    try router.update([odd], keeping: all)
    #expect(router.candidates.first == before)
    for (field, change) in fields {
      var (update, expected) = (odd, before)
      change(&update, Candidate(name: "", profile: "", cost: 1, latency: 2))
      change(&expected, update)
      try router.update([start])
      try router.update([update], keeping: all.subtracting(field))
      #expect(router.candidates.first == expected)
    }
  }

  @Test func embedsProfilesAsItDoesQuestions() throws {
    let router = try paper.emptyRouter()
    // More than are embedded in one pass, of different lengths.
    let profiles = (0..<40).map { "model \($0) is good at " + String(repeating: "math ", count: $0 % 5) }
    try router.add(profiles.enumerated().map { Candidate(name: "m\($0)", profile: $1) })
    for (number, profile) in profiles.enumerated() {
      let encoded = try router.encode(question: .text(profile))
      #expect(distance(try router.embedding(ofCandidate: "m\(number)"), encoded.embedding) <= 1e-5)
      #expect(try router.profile(ofCandidate: "m\(number)") == profile)
    }
    let given = (0..<Self.width).map { Float($0) / 7 - 1 }
    try router.add([Candidate(name: "given", profile: "", embedding: given)])
    #expect(try router.embedding(ofCandidate: "given") == given)
    #expect(try router.profile(ofCandidate: "given") == "")
    #expect(failure { try router.profile(ofCandidate: "none") }?.code == .notFound)
    #expect(failure { try router.embedding(ofCandidate: "") }?.code == .notFound)
  }

  /// A hundred thousand candidates: some scores against the definition.
  @Test func takesManyCandidatesAtOnce() throws {
    let router = try ModelFixture.named("bert-pooled-scaled.gguf").emptyRouter()
    let (count, width) = (100_000, router.description.textWidth)
    var generator = SplitMix(state: 7)
    let embeddings = (0..<count).map { _ in (0..<width).map { _ in generator.float() } }
    try router.add(embeddings.enumerated().map { Candidate(name: "c\($0)", profile: "", embedding: $1) })
    #expect(router.description.candidates == count)
    let query = Query(question: "What is the highest value?", images: [image(1)])
    let scores = try router.scores([query], output: .logit)[0]
    #expect(scores.count == count)
    let picks = stride(from: 0, to: count, by: 997).map { $0 }
    let alone = try ModelFixture.named("bert-pooled-scaled.gguf").emptyRouter()
    for pick in picks {
      try alone.add([Candidate(name: "c\(pick)", profile: "", embedding: embeddings[pick])])
      #expect(try router.embedding(ofCandidate: "c\(pick)") == embeddings[pick])
    }
    #expect(distance(try alone.scores([query], output: .logit)[0], picks.map { scores[$0] }) <= 1e-5)
    try expectCosines(router, query, picks, scores)
    let decision = try router.route(query)
    #expect(decision.rankedCount == count)
    #expect(decision.ranked.first?.logit == scores.max())
    try router.remove((1..<count).map { "c\($0)" })
    #expect(router.candidates.map(\.name) == ["c0"])
  }

  /// Scores against the product of the query's vector and the candidate's key, in double precision.
  private func expectCosines(_ router: Router, _ query: Query, _ picks: [Int], _ scores: [Float]) throws {
    let (network, pool) = (router.networks[0], router.snapshots.load().pools[0])
    try router.engine.execute { (execution) throws(ARMSError) in
      let (fused, _) = try [query].withViews { (views) throws(ARMSError) in
        var fusion = QueryFusion(
          views, model: router.snapshots.load().model, limits: router.limits, on: execution)
        return try fusion.fuse(network)
      }
      for pick in picks {
        var (dot, zNorm, keyNorm) = (0.0, 0.0, 0.0)
        for column in 0..<pool.keyWidth {
          let (z, key) = (Double(fused.vectors[column]), Double(pool.keys[pick * pool.keyWidth + column]))
          dot += z * key
          zNorm += z * z
          keyNorm += key * key
        }
        #expect(abs(zNorm - 1) < 1e-5 && abs(keyNorm - 1) < 1e-5)
        let logit = network.head.classifier.logit(cosine: Float(dot), beta: 0)
        #expect(abs(logit - scores[pick]) < 1e-5)
      }
    }
  }

  /// However candidates came, they score alike to the bit.
  @Test(arguments: ModelFixture.all) func scoresDoNotDependOnTheCompany(_ fixture: ModelFixture) throws {
    let (together, single) = (try fixture.emptyRouter(), try fixture.emptyRouter())
    var generator = SplitMix(state: 3)
    let candidates = (0..<37).map { number in
      Candidate(
        name: "c\(number)", profile: "",
        embedding: (0..<together.description.textWidth).map { _ in generator.float() })
    }
    try together.add(candidates)
    for candidate in candidates { try single.add([candidate]) }
    let query = Query(question: "What is this?", images: [image(3)])
    #expect(same(try together.route(query), try single.route(query)))
  }

  /// Routes under way see the candidates as they were or as they are, never between.
  @Test func changesWhileOthersRoute() throws {
    let router = try paper.emptyRouter()
    let pair = [router.fixed("a", 1), router.fixed("b", 2)]
    try router.add([router.fixed("base", 0)] + pair)
    let (done, wrong) = (Counter(), Counter())
    let threads = Threads(3) { _ in
      var last: UInt64 = 0
      while done.value == 0 {
        guard let decision = try? router.route(Query(question: "What?")) else {
          wrong.add()
          continue
        }
        let names = decision.ranked.map(\.name)
        if names != ["b", "a", "base"], names != ["base"] { wrong.add() }
        if decision.generation < last { wrong.add() }
        last = decision.generation
      }
    }
    for _ in 0..<150 {
      try router.remove(["a", "b"])
      try router.add(pair)
    }
    done.add()
    threads.join()
    #expect(wrong.value == 0)
  }

  @Test func makesTheProfileSentence() {
    #expect(Profile(name: "Qwen").sentence == "Qwen")
    #expect(
      Profile(name: "Q", parameters: "7B").sentence == "Q is a vision-language model with 7B parameters.")
    #expect(
      Profile(name: "Q", languageModel: "L").sentence == "Q is a vision-language model; language model: L.")
    let full = Profile(name: "Q", parameters: "7B", architecture: "A", languageModel: "L", visionModel: "V")
    #expect(
      full.sentence
        == "Q is a vision-language model with 7B parameters; architecture: A; language model: L; "
        + "vision model: V.")
    let candidate = Candidate(Profile(name: "Q", parameters: "7B"), cost: 1, latency: 2)
    #expect(candidate.name == "Q" && candidate.cost == 1 && candidate.latency == 2)
    #expect(candidate.profile == "Q is a vision-language model with 7B parameters.")
  }
}

/// Numbers that look random and are the same in every run (splitmix64).
struct SplitMix {
  var state: UInt64

  /// In -1 ..< 1.
  mutating func float() -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Float((z ^ (z >> 31)) >> 40) / 0x1p23 - 1
  }
}
