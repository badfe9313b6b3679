import Glibc
import Testing

@testable import ARMS

@Suite struct ExtensionTests {
  private let router: Router
  private let words = ["bar", "line", "pie", "angle", "graph", "root", "slope", "area", "mean", "sum"]

  init() throws {
    router = try ModelFixture.named("distilbert-concat-scaled.gguf").emptyRouter()
    try router.add(["a", "b", "new"].map { Candidate(name: $0, profile: "The model \($0).") })
  }

  private func question(_ index: Int) -> String { "What is the \(words[index % 10]) of figure \(index)?" }

  /// Outcomes of `candidates` for the questions of `range`: right where the label of the question says so.
  private func data(
    _ range: Range<Int>, _ candidates: [String], label: (Int) -> Float = { $0 % 2 == 0 ? 1 : 0 }
  ) throws -> DataSet {
    let data = DataSet()
    try data.append(
      range.map { index in
        Sample(
          question: question(index), outcomes: candidates.map { Outcome(candidate: $0, label: label(index)) })
      })
    return data
  }

  private func logits() throws -> [[Float]] {
    try router.scores((0..<20).map { Query(question: question($0)) }, output: .logit)
  }

  private var options: ExtensionOptions {
    var options = ExtensionOptions()
    options.training.learningRate = LearningRate(peak: 1e-3)
    options.training.batchSize = 8
    options.training.epochs = 6
    return options
  }

  /// How far the logits of the two old candidates moved, in the mean.
  private func shift(_ before: [[Float]], _ after: [[Float]]) -> Float {
    zip(before, after).reduce(0) { $0 + abs($1.0[0] - $1.1[0]) + abs($1.0[1] - $1.1[1]) }
      / Float(2 * before.count)
  }

  @Test func learnsTheNewCandidateAndGoesLive() throws {
    let (generation, before) = (router.listing.generation, try logits())
    let report = try router.extend(
      to: ["new"], on: data(0..<20, ["new"], label: { _ in 1 }), validation: data(20..<24, ["new"]),
      options: options)
    #expect(report.isAccepted && report.before == nil && report.after == nil)
    #expect(report.generation == generation + 1 && router.listing.generation == generation + 1)
    #expect(report.epochs.count == 6)
    let after = try logits()
    #expect(zip(before, after).allSatisfy { $0[2] < $1[2] })
    #expect(router.candidates.map(\.name) == ["a", "b", "new"])
  }

  @Test func distillationHoldsTheOldCandidates() throws {
    let (before, data) = (try logits(), try data(0..<20, ["new"], label: { _ in 1 }))
    let path = try TemporaryDirectory()
    try router.save(to: path.path + "/model.gguf")
    var moved: [Float] = []
    for weight in [0, 4] {
      let copy = try Router(path: path.path + "/model.gguf")
      var options = options
      options.distillation = Double(weight)
      _ = try copy.extend(to: ["new"], on: data, options: options)
      let after = try copy.scores((0..<20).map { Query(question: question($0)) }, output: .logit)
      moved.append(shift(before, after))
      #expect(zip(before, after).allSatisfy { $0[2] < $1[2] })
    }
    #expect(moved[1] < moved[0] / 2)
  }

  @Test func whatDoesHarmIsNotAccepted() throws {
    // The old candidates are right about every even question; the run teaches the opposite.
    var options = options
    options.training.learningRate = LearningRate(peak: 3e-3)
    options.training.epochs = 12
    let judge = try data(0..<20, ["a"])
    _ = try router.extend(to: ["new"], on: data(0..<20, ["a", "b", "new"]), options: options)
    let (before, listing) = (try logits(), router.listing)
    let harm = try data(0..<20, ["a", "b", "new"], label: { $0 % 2 == 0 ? 0 : 1 })
    let report = try router.extend(to: ["new"], on: harm, heldOut: judge, options: options)
    #expect(!report.isAccepted && report.generation == listing.generation)
    let (old, new) = (try #require(report.before), try #require(report.after))
    #expect(new.accuracy < old.accuracy - options.tolerance && old.outcomes == 20)
    #expect(try logits() == before && router.listing.generation == listing.generation)
    options.tolerance = 1
    #expect(try router.extend(to: ["new"], on: harm, heldOut: judge, options: options).isAccepted)
  }

  /// How well `router` tells the outcomes of "a" and "b" by its scores.
  private func live(_ router: Router, _ data: DataSet) throws -> TrainingMetrics {
    let scores = try router.scores(
      data.samples.map { Query(question: $0.question) }, candidates: ["a", "b"])
    var metrics = TrainingMetrics(queries: data.count, outcomes: data.outcomeCount)
    for (row, sample) in zip(scores, try data.samples) {
      for (score, outcome) in zip(row, sample.outcomes) {
        let isRight = (score > 0.5) == (outcome.label == 1)
        metrics.accuracy += (isRight ? 1 : 0) / Double(data.outcomeCount)
        // A confidence may be rounded to 1.
        let share = max(outcome.label == 1 ? score : 1 - score, .leastNormalMagnitude)
        metrics.loss -= log(Double(share)) / Double(data.outcomeCount)
      }
      metrics.exactMatch += Double(sample.outcomes[row[1] > row[0] ? 1 : 0].label) / Double(data.count)
    }
    return metrics
  }

  private func expectSame(_ reported: TrainingMetrics?, _ expected: TrainingMetrics) throws {
    let reported = try #require(reported)
    #expect(reported.queries == expected.queries && reported.outcomes == expected.outcomes)
    #expect(abs(reported.accuracy - expected.accuracy) < 1e-9)
    #expect(abs(reported.exactMatch - expected.exactMatch) < 1e-9)
    #expect(abs(reported.loss - expected.loss) < 1e-5)
  }

  /// What is judged are the router as it routes and as it will: with weights as they are stored, calibrated as they
  /// are when the new weights come.
  @Test(arguments: ["distilbert-concat-scaled.gguf", "distilbert-patches-scaled-int8.gguf"], [false, true])
  func judgesWhatGoesLive(_ model: String, isCalibratedMeanwhile: Bool) throws {
    let router = try ModelFixture.named(model).emptyRouter()
    try router.add(["a", "b", "new"].map { Candidate(name: $0, profile: "The model \($0).") })
    let heldOut = DataSet()
    try heldOut.append(
      (0..<40).map { index in
        Sample(
          question: question(index),
          outcomes: [("a", 3), ("b", 5)].map { Outcome(candidate: $0.0, label: index % $0.1 == 0 ? 1 : 0) })
      })
    func calibrate() throws {
      var (first, second) = (router.candidates[0], router.candidates[1])
      (first.temperature, first.bias) = (0.5, 1.5)
      (second.temperature, second.bias) = (2, -0.5)
      try router.update([first, second])
    }
    if !isCalibratedMeanwhile { try calibrate() }
    var (options, before) = (options, try live(router, heldOut))
    options.tolerance = 1
    let report = try router.extend(
      to: ["new"], on: data(0..<20, ["new"], label: { _ in 1 }), heldOut: heldOut, options: options
    ) { progress in
      guard isCalibratedMeanwhile, progress.step == 3 else { return true }
      do {
        try calibrate()
        before = try live(router, heldOut)
      } catch { Issue.record(error) }
      return true
    }
    #expect(report.isAccepted)
    try expectSame(report.before, before)
    try expectSame(report.after, live(router, heldOut))
  }

  /// Candidates that go while a run lasts are not held against it.
  @Test func judgesWhoIsStillThere() throws {
    let report = try router.extend(
      to: ["new"], on: data(0..<20, ["new"]), heldOut: data(0..<20, ["a"]), options: options
    ) { progress in
      #expect(progress.step > 1 || failure { try router.remove(["a"]) } == nil)
      return true
    }
    #expect(report.isAccepted && report.before == nil && report.after == nil)
    #expect(router.candidates.map(\.name) == ["b", "new"])
  }

  @Test func findsWhatCannotBeMeasuredBeforeItTrains() throws {
    let (heldOut, new) = (try data(0..<2, ["new"]), try data(0..<20, ["new"]))
    try heldOut.append([
      try Sample(
        question: "Why?", copying: [ImageInput(.path("/nowhere/absent.png"))],
        outcomes: [Outcome(candidate: "a", label: 1)])
    ])
    let error = router.refusal {
      _ = try $0.extend(to: ["new"], on: new, heldOut: heldOut, options: options) { _ in
        Issue.record("a step was made")
        return true
      }
    }
    #expect(error?.code == .io && error?.message.contains("samples[2]") == true)
  }

  /// The teacher reads what the training reads, and keeps it for the training.
  @Test func distillationEncodesNothingTwice() throws {
    let (data, other) = (try data(0..<20, ["new"]), try data(0..<20, ["new"]))
    _ = try Trainer(router).evaluate(other)
    let texts = router.metrics.stages[.text]
    var options = options
    options.distillation = 1
    var kept: [Int] = []
    _ = failure {
      try router.extend(to: ["new"], on: data, options: options) { _ in
        kept.append((try? data.memory.features) ?? -1)
        return false
      }
    }
    #expect(try kept == [other.memory.features])
    #expect(router.metrics.stages[.text]?.count == texts?.count)
  }

  @Test func replaysTheShareThatIsAsked() throws {
    var options = options
    options.training.epochs = 1
    for (share, queries) in [(0.5, 20), (0.2, 13), (0.9, 40)] {
      options.replayShare = share
      var steps = 0
      let report = try router.extend(
        to: ["new"], on: data(0..<10, ["new"]), replaying: data(10..<40, ["a", "b"]), options: options
      ) { progress in
        steps = progress.steps
        return true
      }
      #expect(report.isAccepted && steps == (queries + 7) / 8)
    }
  }

  /// A whole log replayed holds the new data, too.
  @Test func replaysNoOutcomeTwice() throws {
    let log = try data(0..<10, ["a", "b", "new"])
    let report = try router.extend(
      to: ["new"], on: data(0..<10, ["new"]), replaying: log, options: options)
    #expect(report.isAccepted)
    let (joined, repeated) = (try data(0..<3, ["new"]), try data(2..<4, ["a", "new"]))
    try joined.appendUnknown(repeated.samples)
    #expect(joined.count == 4 && joined.outcomeCount == 6)
  }

  /// A run reads what was there when it began.
  @Test func dataMayGrowDuringARun() throws {
    let (data, done, wrong) = (try data(0..<40, ["new"]), Counter(), Counter())
    var options = options
    options.distillation = 1
    options.training.epochs = 1
    let growing = Threads(1) { _ in
      for index in 100..<400 where done.value == 0 {
        let sample = Sample(question: question(index), outcomes: [Outcome(candidate: "new", label: 1)])
        do { try data.append([sample]) } catch { wrong.add() }
        usleep(200)
      }
    }
    while data.count == 40 { sched_yield() }
    for _ in 0..<3 { _ = try router.extend(to: ["new"], on: data, options: options) }
    done.add()
    growing.join()
    #expect(wrong.value == 0 && data.count > 40)
  }

  @Test func aCancelledRunLeavesTheRouter() throws {
    let (before, data) = (try logits(), try data(0..<20, ["new"]))
    let error = router.refusal { _ = try $0.extend(to: ["new"], on: data, options: options) { $0.step < 3 } }
    #expect(error?.code == .cancelled)
    #expect(try logits() == before)
  }

  @Test func refusesWhatMakesNoExtension() throws {
    let data = try data(0..<4, ["new"])
    func refusal(
      _ names: [String], heldOut: DataSet? = nil, _ change: (inout ExtensionOptions) -> Void = { _ in }
    )
      -> ARMSError?
    {
      var options = options
      change(&options)
      return router.refusal { _ = try $0.extend(to: names, on: data, heldOut: heldOut, options: options) }
    }
    #expect(refusal([])?.code == .invalidArgument)
    #expect(refusal(["nobody"])?.code == .notFound)
    #expect(refusal(["new"], heldOut: data)?.message.contains("no outcome of an old candidate") == true)
    #expect(refusal(["new"]) { $0.replayShare = 0.5 }?.message.contains("no data to replay") == true)
    for value in [-0.1, .nan, 1] {
      #expect(refusal(["new"]) { $0.replayShare = value }?.code == .invalidArgument)
    }
    for value in [-0.1, .nan, .infinity] {
      #expect(refusal(["new"]) { $0.distillation = value }?.code == .invalidArgument)
      #expect(refusal(["new"]) { $0.tolerance = value }?.code == .invalidArgument)
    }
  }

  @Test func refusesNewCandidatesWithoutOutcomes() throws {
    let generation = router.listing.generation
    let error = failure { _ = try router.extend(to: ["b", "new"], on: data(0..<4, ["b"]), options: options) }
    #expect(error?.code == .invalidArgument && error?.message.contains("\"new\"") == true)
    #expect(router.listing.generation == generation)
  }

  @Test func refusesHeldOutOutcomesOfUnknownCandidates() throws {
    let error = failure {
      _ = try router.extend(
        to: ["new"], on: data(0..<4, ["new"]), heldOut: data(10..<20, ["a", "B"]), options: options)
    }
    #expect(error?.code == .notFound && error?.message.contains("\"B\"") == true)
  }

  @Test func aFallOfTheToleranceIsNoHarm() {
    for count in [10, 100, 1_000] {
      for (right, lost) in [(8, 1), (3, 1), (9, 2), (7, 7), (10, 3)] {
        let before = TrainingMetrics(accuracy: Double(right) / Double(count), exactMatch: 1)
        let after = TrainingMetrics(accuracy: Double(right - lost) / Double(count), exactMatch: 1)
        #expect(isHarmless(before, after, tolerance: Double(lost) / Double(count)))
        #expect(!isHarmless(before, after, tolerance: (Double(lost) - 0.5) / Double(count)))
      }
    }
  }

  @Test func ofEqualsTheFirstOfThePoolCounts() throws {
    let router = try ModelFixture.named("distilbert-concat-scaled.gguf").emptyRouter()
    try router.add(["a", "b"].map { Candidate(name: $0, profile: "The same words.") })
    let trainer = try Trainer(router)
    for names in [["a", "b"], ["b", "a"]] {
      let data = DataSet()
      try data.append([
        Sample(question: "x", outcomes: names.map { Outcome(candidate: $0, label: $0 == "a" ? 1 : 0) })
      ])
      #expect(try trainer.evaluate(data).exactMatch == 1)
    }
  }

  @Test func aLossThatIsNoNumberIsNoMetric() throws {
    let trainer = try Trainer(router)
    for index in 0..<trainer.parameters.count { trainer.parameters.values[index] = .nan }
    let data = try data(0..<2, ["a"])
    #expect(failure { _ = try trainer.evaluate(data) }?.code == .notFinite)
  }
}
