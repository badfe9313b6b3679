import Testing

@testable import ARMS

/// Calibrating and fitting the candidates of a router that goes on routing.
@Suite struct CandidateLearningTests {
  private let router: Router
  private let words = ["bar", "line", "pie", "angle", "graph", "root", "slope", "area", "mean", "sum"]

  init() throws {
    router = try ModelFixture.named("distilbert-concat-scaled.gguf").emptyRouter()
    try router.add([
      Candidate(name: "small", profile: "A small model."),
      Candidate(name: "large", profile: "A large model."),
      Candidate(name: "silent", profile: "A model without outcomes.", isEnabled: false),
    ])
  }

  private func query(_ index: Int) -> Query {
    Query(
      question: "What is the \(words[index % words.count]) of figure \(index)?", images: [image(index % 8)])
  }

  /// Outcomes of queries `range`: "small" is right about every third, "large" about two thirds.
  private func data(_ range: Range<Int>) throws -> DataSet {
    let data = DataSet()
    try data.append(
      try range.map { index in
        try Sample(
          question: "What is the \(words[index % words.count]) of figure \(index)?",
          copying: [image(index % 8)],
          outcomes: [
            Outcome(candidate: "small", label: index % 3 == 0 ? 1 : 0),
            Outcome(candidate: "large", label: index % 3 == 0 ? 0 : 1),
          ])
      })
    return data
  }

  private func means(_ output: ScoreOutput, _ range: Range<Int>) throws -> [Float] {
    let scores = try router.scores(
      range.map(query), candidates: ["small", "large", "silent"], output: output)
    return (0..<3).map { column in scores.reduce(0) { $0 + $1[column] } / Float(scores.count) }
  }

  @Test func calibratedConfidencesAreTheSharesOfCorrectAnswers() throws {
    let logits = try router.scores([query(0)], output: .logit)
    let generation = router.listing.generation
    #expect(try router.calibrate(on: data(0..<90), strength: 1e-3) == generation + 1)
    let confidences = try means(.confidence, 0..<90)
    #expect(abs(confidences[0] - 1 / 3) < 1e-3 && abs(confidences[1] - 2 / 3) < 1e-3)
    #expect(try router.scores([query(0)], output: .logit) == logits)
    // Who has no outcomes takes the common calibration, between the two.
    let candidates = router.candidates
    #expect(candidates[0].bias < candidates[2].bias && candidates[2].bias < candidates[1].bias)
    #expect(!candidates[2].isEnabled)
  }

  /// Outcomes of one router of a cascade say nothing of the other's candidates.
  @Test(arguments: [0, 1]) func calibratesTheRouterThatOutcomesAreOf(number: Int) throws {
    let (directory, second) = (try TemporaryDirectory(), try paper.emptyRouter())
    try second.add([Candidate(name: "one", profile: "One."), Candidate(name: "two", profile: "Two.")])
    try router.join(second, to: "\(directory.path)/both.gguf")
    let both = try Router(path: "\(directory.path)/both.gguf")
    let pools = [["small", "large"], ["one", "two"]]
    func data(_ names: [String], _ label: Float) throws -> DataSet {
      let data = DataSet()
      try data.append(
        (0..<20).map { index in
          Sample(
            question: "question \(index)",
            outcomes: names.map { Outcome(candidate: $0, label: index % 10 == 0 ? 1 - label : label) })
        })
      return data
    }
    func calibrations(_ number: Int) -> [[Float]] {
      both.candidates.filter { $0.router == number }.map { [$0.temperature, $0.bias] }
    }
    try both.calibrate(on: data(pools.flatMap { $0 }, 1), strength: 1)
    let before = [calibrations(0), calibrations(1)]
    #expect(!before.joined().contains([1, 0]))
    try both.calibrate(on: data(pools[number], 0), strength: 1)
    #expect(calibrations(1 - number) == before[1 - number])
    #expect(zip(calibrations(number), before[number]).allSatisfy { $0[1] < $1[1] })
  }

  @Test func fittedCandidatesAnswerAsTheirOutcomesSay() throws {
    let before = try means(.logit, 0..<60)
    let data = DataSet()
    try data.append(
      (0..<60).map {
        Sample.init(
          question: "What is the bar of figure \($0)?", outcomes: [.init(candidate: "small", label: 1)])
      })
    try router.fit(candidates: ["small"], on: data)
    let after = try means(.logit, 0..<60)
    #expect(after[0] > before[0] + 0.5)
    // All others score to the bit as before.
    #expect(after[1] == before[1] && after[2] == before[2])
    #expect(router.candidates[0].beta > 0 && router.candidates[1].beta == 0)
    // Fitting starts anew each time.
    let beta = router.candidates[0].beta
    try router.fit(candidates: ["small"], on: data)
    #expect(router.candidates[0].beta == beta)
  }

  @Test func learningForgetsNoChoice() throws {
    let chosen = try #require(try router.route(query(0)).name)
    try router.fit(candidates: ["small"], on: data(0..<6))
    try router.calibrate(on: data(0..<6))
    #expect(router.listing.chosen == router.candidates.map { $0.name == chosen ? 1 : 0 })
  }

  /// What was learned of a candidate is not another one's that has its name now.
  @Test func learnsForTheSameCandidatesOnly() throws {
    let snapshot = router.snapshots.load()
    let fits = [
      "small": LearnedCandidate(delta: Array(repeating: 0, count: router.networks[0].text.width), beta: 3)
    ]
    let calibrations = ["small": Calibration(slope: 0.5, bias: 1)]
    func codes() -> [ARMSError.Code?] {
      [
        router.refusal { _ = try $0.learn(fits, since: snapshot) },
        router.refusal { _ = try $0.calibrate(calibrations, since: snapshot) },
      ].map { $0?.code }
    }
    // A candidate with another price is the same, and one with another offset has other logits.
    var small = router.candidates[0]
    small.cost = 1
    try router.update([small])
    _ = try router.calibrate(calibrations, since: snapshot)
    #expect(router.candidates[0].temperature == 2)
    _ = try router.learn(fits, since: snapshot)
    #expect(router.candidates[0].beta == 3)
    let fitted = router.refusal { _ = try $0.calibrate(calibrations, since: snapshot) }
    #expect(fitted?.code == .conflict && fitted?.message.contains("\"small\" was fitted") == true)
    try router.remove(["small"])
    try router.add([Candidate(name: "small", profile: "Quite another model.")])
    #expect(codes() == [.conflict, .conflict])
    try router.remove(["small"])
    #expect(router.refusal { _ = try $0.learn(fits, since: snapshot) }?.code == .notFound)
    // One that is gone needs no calibration.
    _ = try router.calibrate(calibrations, since: snapshot)
  }

  /// All candidates may have been replaced by those of a router with the same weights.
  @Test func learnsForTheSameProfilesOnly() throws {
    let other = try ModelFixture.named("distilbert-concat-scaled.gguf").emptyRouter()
    try other.add([Candidate(name: "small", profile: "A small model.")])
    try router.replace(with: other)
    let snapshot = router.snapshots.load()
    try other.remove(["small"])
    try other.add([Candidate(name: "small", profile: "Quite another model.")])
    try router.replace(with: other)
    let fits = [
      "small": LearnedCandidate(delta: Array(repeating: 0, count: router.networks[0].text.width), beta: 3)
    ]
    #expect(router.refusal { _ = try $0.learn(fits, since: snapshot) }?.code == .conflict)
  }

  @Test func fitsSeenOutcomesBetterThanTheProfileAlone() throws {
    let seen = try data(0..<60)
    func loss() throws -> Float {
      let scores = try router.scores((0..<60).map(query), candidates: ["small"], output: .logit)
      return scores.enumerated().reduce(0) { sum, row in
        sum + OutcomeLoss.value(logit: row.element[0], label: row.offset % 3 == 0 ? 1 : 0)
      }
    }
    let before = try loss()
    try router.fit(candidates: ["small", "large"], on: seen)
    #expect(try loss() < before)
  }

  @Test func drawsCalibrationsAsHardAsDocumented() throws {
    func calibrations() -> [Float] { router.candidates.flatMap { [$0.temperature, $0.bias] } }
    try router.calibrate(on: data(0..<30))
    let standard = calibrations()
    try router.calibrate(on: data(0..<30), strength: 256)
    #expect(calibrations() == standard)
    try router.calibrate(on: data(0..<30), strength: 16)
    #expect(calibrations() != standard)
  }

  @Test func learnedCandidatesSurviveSaving() throws {
    try router.fit(candidates: ["small"], on: data(0..<12))
    try router.calibrate(on: data(12..<30))
    let directory = try TemporaryDirectory()
    let path = directory.path + "/model.gguf"
    try router.save(to: path)
    let names = ["small", "large", "silent"]
    #expect(
      try Router(path: path).scores([query(3)], candidates: names)
        == (try router.scores([query(3)], candidates: names)))
  }

  @Test func refusesWhatCannotBeLearned() throws {
    let (data, unknown) = (try data(0..<6), DataSet())
    try unknown.append([Sample(question: "Why?", outcomes: [Outcome(candidate: "nobody", label: 1)])])
    for strength in [0, -1, .nan, .infinity] as [Double] {
      #expect(router.refusal { try $0.calibrate(on: data, strength: strength) }?.code == .invalidArgument)
      #expect(
        router.refusal { try $0.fit(candidates: ["small"], on: data, strength: strength) }?.code
          == .invalidArgument)
    }
    #expect(router.refusal { try $0.calibrate(on: DataSet()) }?.message.contains("empty") == true)
    #expect(router.refusal { try $0.calibrate(on: unknown) }?.code == .notFound)
    #expect(router.refusal { try $0.fit(candidates: [], on: data) }?.code == .invalidArgument)
    #expect(router.refusal { try $0.fit(candidates: ["nobody"], on: data) }?.code == .notFound)
    #expect(router.refusal { try $0.fit(candidates: ["small"], on: unknown) }?.code == .notFound)
    let silent = router.refusal { try $0.fit(candidates: ["silent"], on: data) }
    #expect(silent?.code == .invalidArgument && silent?.message.contains("\"silent\" has no outcome") == true)
    let stray = router.refusal { try $0.calibrate(on: unknown) }
    #expect(stray?.message.hasPrefix("samples[0]: there is no candidate \"nobody\"") == true)
  }

  /// Also behind samples that are not read, and in a later pass.
  @Test func namesTheSampleThatCannotBeRead() throws {
    let missing = DataSet()
    try missing.append(
      (0..<50).map { index in
        Sample(
          question: "Why \(index)?",
          images: index == 47 ? [try .init(copying: ImageInput(.path("/no/such.png")))] : [],
          outcomes: [Outcome(candidate: index % 5 == 0 ? "large" : "small", label: 1)])
      })
    for error in [
      router.refusal { try $0.calibrate(on: missing) },
      router.refusal { try $0.fit(candidates: ["small"], on: missing) },
      router.refusal {
        var options = ExtensionOptions()
        options.distillation = 1
        _ = try $0.extend(to: ["small"], on: missing, options: options)
      },
    ] {
      #expect(
        error?.code == .io && error?.message.hasPrefix("samples[47]") == true, "\(error?.message ?? "")")
    }
  }
}
