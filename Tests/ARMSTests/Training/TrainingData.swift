import Testing

@testable import ARMS

/// What training tests train on.
enum TrainingData {
  /// A question each, without an image, with one and with two, and outcomes of some of the fixture's candidates.
  static func samples(_ fixture: ModelFixture, count: Int = 6) throws -> [Sample] {
    try (0..<count).map { number in
      let images = try (0..<number % 3).map { try Sample.Image(copying: image((number + $0) % 4)) }
      let text = fixture.questions[number % fixture.questions.count].text
      return Sample(
        question: number < fixture.questions.count ? text : "\(text) \(number)", images: images,
        outcomes: fixture.candidates.enumerated().compactMap { place, candidate in
          if (number + place) % 4 == 3 { return nil }
          return Outcome(
            candidate: candidate.name, label: (3 * number + 2 * place) % 3 == 0 ? 1 : 0,
            weight: 0.5 + 0.5 * Float((number + 2 * place) % 3))
        })
    }
  }

  static func set(_ fixture: ModelFixture, count: Int = 6) throws -> DataSet {
    let data = DataSet()
    try data.append(try samples(fixture, count: count))
    return data
  }

  /// The router of a fixture whose candidates all have a profile that its text encoder embeds.
  static func router(_ fixture: ModelFixture, threads: Int = 2) throws -> Router {
    let router = try fixture.router(threads: threads)
    let profiles = router.candidates.map {
      Candidate(name: $0.name, profile: $0.profile.isEmpty ? "It reads \($0.name) pages." : $0.profile)
    }
    try router.remove(profiles.map(\.name))
    try router.add(profiles)
    return router
  }

  /// Options that learn quickly on few samples.
  static func options(_ scope: TrainingScope) -> TrainingOptions {
    var options = TrainingOptions()
    options.scope = scope
    options.epochs = 3
    options.batchSize = 4
    options.microBatchSize = 3
    options.learningRate = LearningRate(peak: 1e-3, warmup: 2, shape: .cosine)
    options.seed = 5
    return options
  }

  static func trainer(
    _ options: TrainingOptions, model: String = "distilbert-patches-scaled.gguf", threads: Int = 2
  ) throws -> (trainer: Trainer, data: DataSet) {
    let fixture = ModelFixture.named(model)
    return (
      try Trainer(try router(fixture, threads: threads), options: options), try set(fixture)
    )
  }
}

extension Trainer {
  /// The image encoder, which every fixture has.
  func imageEncoder() throws -> ImageEncoder { try #require(image?.encoder) }

  /// A digest of all bits of the parameters.
  var bits: [UInt32] { values.map(\.bitPattern) }
}
