import Glibc
import Testing

@testable import ARMS

@Suite struct ObjectiveTests {
  // MARK: The routing term

  private let outcomes = [(0, 1.0), (2, 0.25), (3, 0)].map {
    EncodedOutcome(candidate: $0.0, label: Float($0.1))
  }

  @Test func theRoutingTermIsTheExpectedReward() {
    let term = RoutingTerm(weight: 2, sharpness: 3)
    let logits: [Float] = [0.5, 9, -0.25, 1]
    var gradient: [Float] = [0, 0, 0, 0]
    let value = term.gradient(outcomes, logits: logits, scale: 1, into: &gradient)
    let powers = [0, 2, 3].map { exp(3 * Double(logits[$0])) }
    let expected = (powers[0] + 0.25 * powers[1]) / powers.reduce(0, +)
    #expect(abs(value + 2 * expected) < 1e-6)
    // A candidate whose outcome is unknown is not read.
    #expect(gradient[1] == 0)
    var unused: [Float] = [0, 0, 0, 0]
    for index in [0, 2, 3] {
      let values = [Float(1e-2), -1e-2].map { change in
        var moved = logits
        moved[index] += change
        return term.gradient(outcomes, logits: moved, scale: 1, into: &unused)
      }
      #expect(abs((values[0] - values[1]) / 2e-2 - Double(gradient[index])) < 1e-3)
    }
  }

  @Test func itSaysNothingOfASingleOutcome() {
    var gradient: [Float] = [0]
    let term = RoutingTerm(weight: 5, sharpness: 2)
    let value = term.gradient(
      [EncodedOutcome(candidate: 0, label: 1)], logits: [1e30], scale: 1, into: &gradient)
    #expect(value == -5 && gradient == [0])
  }

  // MARK: The teacher

  private func query(_ number: Int, _ outcomes: [(Int, Float, Float)]) -> TrainingQuery {
    TrainingQuery(
      number: number, question: [], images: [],
      outcomes: outcomes.map { EncodedOutcome(candidate: $0.0, label: $0.1, weight: $0.2) })
  }

  private func teacher(_ queries: [TrainingQuery], _ rows: [[Float]], ridge: Double) throws -> KernelTeacher {
    try BLAS.load()
    var values = rows.flatMap { $0 }
    return try KernelTeacher(
      queries, embeddings: &values, width: rows[0].count, candidates: 2, ridge: ridge, on: Engine(threads: 2))
  }

  /// `b + K (K + ridge / W)⁻¹ (y - b)` for one candidate, by elimination.
  private func reference(_ queries: [TrainingQuery], _ rows: [[Float]], ridge: Double, candidate: Int)
    -> [Double]
  {
    func kernel(_ left: [Float], _ right: [Float]) -> Double {
      exp(Double(cosine(left, right)) - 1)
    }
    let known = queries.indices.compactMap { row in
      queries[row].outcomes.first { $0.candidate == candidate }.map { (row, $0) }
    }
    let weight = known.reduce(0) { $0 + Double($1.1.weight) }
    let mean = known.reduce(0) { $0 + Double($1.1.weight * $1.1.label) } / weight
    var matrix = known.map { left in
      known.map { right in
        kernel(rows[left.0], rows[right.0]) + (left.0 == right.0 ? ridge / Double(left.1.weight) : 0)
      } + [Double(left.1.label) - mean]
    }
    for pivot in matrix.indices {
      for row in matrix.indices where row != pivot {
        let factor = matrix[row][pivot] / matrix[pivot][pivot]
        for column in matrix[row].indices { matrix[row][column] -= factor * matrix[pivot][column] }
      }
    }
    return rows.map { row in
      known.enumerated().reduce(mean) { sum, one in
        sum + kernel(row, rows[one.element.0]) * matrix[one.offset][known.count]
          / matrix[one.offset][one.offset]
      }
    }
  }

  @Test(arguments: [0.1, 1, 10]) func solvesItsEquations(ridge: Double) throws {
    var random = SplitMix64(seed: 5)
    let rows = (0..<40).map { _ in (0..<6).map { _ in Float.random(in: -1...1, using: &random) } }
    // Some outcomes are unknown, and weights differ.
    let queries = rows.indices.map { row in
      query(
        row,
        [(0, row % 3 == 0 ? 1 : 0, 1), (1, rows[row][0] > 0 ? 1 : 0, row % 2 == 0 ? 2 : 0.5)].filter {
          $0.0 == 0 || row % 4 != 0
        })
    }
    let predictions = try teacher(queries, rows, ridge: ridge).predictions()
    for candidate in 0..<2 {
      for (row, expected) in reference(queries, rows, ridge: ridge, candidate: candidate).enumerated() {
        let clipped = min(max(Float(expected), 0.01), 0.99)
        #expect(abs(predictions[row * 2 + candidate] - clipped) < 1e-4)
      }
    }
  }

  @Test func teachesAsMuchAsItIsAsked() throws {
    let rows: [[Float]] = [[1, 0], [1, 0.01], [0, 1]]
    let queries = [query(0, [(0, 1, 1)]), query(1, [(0, 0, 1)]), query(2, [(0, 0, 1), (1, 1, 1)])]
    let teacher = try teacher(queries, rows, ridge: 1)
    let predictions = try teacher.predictions()
    #expect(predictions[0] > predictions[4])
    for weight in [0, 0.5, 1] as [Float] {
      let labels = try teacher.teach(weight: weight).map { $0.outcomes[0].label }
      for (row, label) in labels.enumerated() {
        let own: Float = row == 0 ? 1 : 0
        #expect(abs(label - (weight * predictions[row * 2] + (1 - weight) * own)) < 1e-6)
      }
    }
    // Only one of its outcomes is known, so the prediction is its mean, clipped.
    #expect(predictions[1] == 0.99)
  }

  @Test func refusesTooManyBeforeItReadsAny() throws {
    var options = TrainingOptions()
    options.teacherWeight = 0.5
    let trainer = try Trainer(router, options: options)
    let query = TrainingQuery(
      number: 0, question: [1, 2], images: [], outcomes: [EncodedOutcome(candidate: 0, label: 1)])
    let set = TrainingSet(
      queries: Array(repeating: query, count: KernelTeacher.queryLimit + 1), cache: FeatureCache(), hash: "")
    #expect(failure { try trainer.train(set) }?.code == .limitExceeded)
    #expect(set.cache.byteCount == 0)
  }

  // MARK: Balanced classes

  /// A label between 0 and 1 is an outcome of each label, with that share of the weight.
  @Test func aSoftLabelCountsAsItsShares() {
    let loss = OutcomeLoss(classWeights: (4, 0.5))
    for label in [0, 0.125, 0.5, 0.75, 1] as [Float] {
      let soft = EncodedOutcome(candidate: 0, label: label, weight: 2)
      let shares = [(1, label), (0, 1 - label)].map { (hard: Float, share: Float) in
        EncodedOutcome(candidate: 0, label: hard, weight: 2 * share)
      }
      #expect(abs(loss.weight(of: soft) - shares.reduce(0) { $0 + loss.weight(of: $1) }) < 1e-6)
      for logit in [-3, 0.5] as [Float] {
        func value(_ outcome: EncodedOutcome) -> Float {
          loss.weight(of: outcome) * OutcomeLoss.value(logit: logit, label: loss.label(of: outcome))
        }
        #expect(abs(value(soft) - shares.reduce(0) { $0 + value($1) }) < 1e-5)
      }
    }
    // Without balance a label is what it is, to the bit.
    #expect(OutcomeLoss().label(of: EncodedOutcome(candidate: 0, label: 0.3)) == 0.3)
  }

  /// What a teacher says of a candidate that is mostly right is balanced as its outcomes are.
  @Test func balancedLabelsOfATeacherHaveNoBase() throws {
    let data = DataSet()
    try data.append(
      (0..<40).map { index in
        Sample(
          question: "question \(index)", outcomes: [Outcome(candidate: "a", label: index % 10 == 0 ? 0 : 1)])
      })
    var options = TrainingOptions()
    options.epochs = 60
    options.batchSize = 40
    options.weightDecay = 0
    options.learningRate = LearningRate(peak: 3e-3)
    options.teacherWeight = 1
    for (isBalanced, expected) in [(false, 0.9), (true, 0.5)] as [(Bool, Float)] {
      options.balancesClasses = isBalanced
      let trainer = try Trainer(router, options: options)
      try trainer.train(data)
      var mean: Float = 0
      try trainer.forEachQuery(of: try trainer.trainingSet(data), embeddingProfiles: true) { _, logits in
        mean += sigmoid(logits[0]) / 40
      }
      #expect(abs(mean - expected) < 0.1, "\(mean)")
    }
  }

  // MARK: Runs

  private let router: Router

  init() throws {
    router = try ModelFixture.named("distilbert-concat-scaled.gguf").emptyRouter()
    try router.add(["a", "b"].map { Candidate(name: $0, profile: "The model \($0).") })
  }

  private func data() throws -> DataSet {
    let data = DataSet()
    try data.append(
      (0..<16).map { index in
        Sample(
          question: "What is \(index) of \(index % 5)?",
          outcomes: [
            Outcome(candidate: "a", label: index % 4 == 0 ? 1 : 0),
            Outcome(candidate: "b", label: index % 4 == 0 ? 0 : 1),
          ])
      })
    return data
  }

  @Test func aRunWithAllOfItChoosesBetter() throws {
    var options = TrainingOptions()
    options.epochs = 40
    options.batchSize = 16
    options.learningRate = LearningRate(peak: 3e-3, shape: .cosine)
    options.routingWeight = 2
    options.teacherWeight = 0.3
    options.teacherRidge = 0.1
    options.startsAtBaseRates = true
    let trainer = try Trainer(router, options: options)
    let before = try trainer.evaluate(data())
    try trainer.train(data())
    let after = try trainer.evaluate(data())
    #expect(after.loss < before.loss && after.exactMatch >= 0.75)
    let again = try Trainer(router, options: options)
    try again.train(data())
    #expect(Array(again.values) == Array(trainer.values))
  }

  /// One that learns nothing but these.
  private func trainerOfBaseRates() throws -> Trainer {
    var options = TrainingOptions()
    options.epochs = 1
    options.learningRate = LearningRate(peak: 0)
    options.startsAtBaseRates = true
    return try Trainer(router, options: options)
  }

  @Test func offsetsBeginAtTheBaseRates() throws {
    let trainer = try trainerOfBaseRates()
    try trainer.train(data())
    try trainer.commit()
    // Four of sixteen are right, and one of each is added.
    let betas = router.candidates.map(\.beta)
    #expect(abs(betas[0] - logf(5 / 13)) < 1e-6 && abs(betas[1] - logf(13 / 5)) < 1e-6)
  }

  /// A run that could not make its first step leaves the offsets, and the next one begins at its own rates.
  @Test func aRunThatFailsKeepsNoBaseRates() throws {
    let trainer = try trainerOfBaseRates()
    let broken = DataSet()
    try broken.append([
      try Sample(
        question: "Why?", copying: [ImageInput(.path("/nowhere/absent.png"))],
        outcomes: [Outcome(candidate: "a", label: 1)])
    ])
    #expect(failure { try trainer.train(broken) }?.code == .io)
    #expect(Array(trainer.offsets) == [0, 0])
    try trainer.train(data())
    #expect(abs(trainer.offsets[0] - logf(5 / 13)) < 1e-6)
  }

  @Test func refusesImpossibleOptions() {
    func refusal(_ change: (inout TrainingOptions) -> Void) -> ARMSError.Code? {
      var options = TrainingOptions()
      change(&options)
      return failure { try Trainer(router, options: options) }?.code
    }
    for value in [-1, .nan, .infinity] {
      #expect(refusal { $0.routingWeight = value } == .invalidArgument)
      #expect(refusal { $0.routingSharpness = value } == .invalidArgument)
      #expect(refusal { $0.teacherWeight = value } == .invalidArgument)
      #expect(refusal { $0.teacherRidge = value } == .invalidArgument)
    }
    #expect(refusal { $0.teacherWeight = 1.1 } == .invalidArgument)
    #expect(refusal { $0.teacherRidge = 0 } == .invalidArgument)
  }
}
