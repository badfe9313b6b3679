import Foundation
import Testing

@testable import ARMS

/// What becomes of a trained router: saved, opened again, committed.
@Suite struct TrainedRouterTests {
  let directory: TemporaryDirectory
  var path: String { "\(directory.path)/trained.gguf" }

  init() throws { directory = try TemporaryDirectory() }

  static func query(_ sample: Sample) -> Query {
    Query(question: sample.question, images: sample.images.map(\.input))
  }

  /// The name that the engine gives a text encoder is the converter's.
  @Test(arguments: ["bert-patches-paper.gguf", "distilbert-pooled-paper.gguf"])
  func namesEncodersAsTheConverter(_ model: String) throws {
    let router = try ModelFixture.named(model).router()
    let network = router.networks[0]
    var text = EncoderHash(router.file, prefix: .first, sections: ["text.", "tokenizer."])
    try text.update(network.text.parameters) { _ in nil }
    #expect(text.hexDigest() == network.text.hash)
  }

  /// The saved router computes what the trainer does, whatever its type, and so does the committed one.
  @Test(
    arguments: [
      "distilbert-patches-scaled.gguf", "distilbert-patches-scaled-bf16.gguf",
      "distilbert-patches-scaled-int8.gguf",
    ], TrainerTests.scopes)
  func computesWhatWasTrained(_ model: String, _ scope: TrainingScope) throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(scope), model: model)
    let queries = try data.samples.map(Self.query)
    let before = try trainer.router.score(queries)
    try trainer.train(data)
    try trainer.save(to: path)
    let saved = try Router(path: path)
    let scores = try saved.score(queries)
    #expect(distance(scores, before) > 1e-3)
    // Training goes on with what the file cannot hold.
    let again = try Trainer(saved).evaluate(data)
    let tolerance = model.contains("-int8") ? 0.05 : model.contains("-bf16") ? 0.01 : 1e-5
    let now = try trainer.evaluate(data)
    #expect(abs(again.loss - now.loss) <= tolerance)
    #expect(try trainer.router.score(queries) == before)
    let generation = try trainer.commit()
    #expect(generation == trainer.router.listing.generation)
    #expect(try trainer.router.score(queries) == scores)
    #expect(trainer.router.candidates == saved.candidates)
  }

  /// What later weights have replaced is let go, and what is held is said.
  @Test(arguments: ["distilbert-patches-scaled.gguf", "distilbert-patches-scaled-int8.gguf"])
  func keepsNoFormerWeights(_ model: String) throws {
    let router = try TrainingData.router(.named(model))
    let data = try TrainingData.set(.named(model))
    let before = router.memory
    var counted: [Router.Memory] = []
    for _ in 0..<4 {
      let trainer = try Trainer(router, options: TrainingData.options(.head))
      try trainer.train(data)
      try trainer.commit()
      counted.append(router.memory)
    }
    #expect(counted.allSatisfy { $0.mapped == before.mapped && $0.weights > before.weights })
    #expect(counted[3].weights <= counted[1].weights + 256)
    // Trained buffers are not kept by the next generation's file.
    weak let head = router.networks[0].head
    try Trainer(router, options: TrainingData.options(.head)).commit()
    #expect(head == nil)
  }

  /// What was changed of the candidates while a trainer worked stays, unless it is what training changes.
  @Test func commitsUnderThePresentCalibration() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.head))
    let router = trainer.router
    var first = router.candidates[0]
    (first.bias, first.temperature) = (0.25, 2)
    try router.update([first])
    let cold = try router.calibrate(on: data, strength: 4)
    let expected = router.candidates.map { [$0.temperature, $0.bias] }
    try trainer.train(data)
    #expect(try trainer.commit() == cold + 1)
    #expect(router.candidates.map { [$0.temperature, $0.bias] } == expected)
  }

  /// A file may say that its encoder is another's; what that one made of the data is not its own.
  @Test(arguments: [TrainingScope.head, TrainingScope(textLayers: 1)])
  func trustsNoNameOfAnEncoder(_ scope: TrainingScope) throws {
    let (small, large) = (
      ModelFixture.named("bert-concat-paper.gguf"), ModelFixture.named("distilbert-concat-scaled.gguf")
    )
    let name = try small.router().networks[0].text.hash
    let edited = try EditedModel(large)
    edited.set("arms.text.hash", .string(name))
    let model = try edited.write(to: directory, "renamed.gguf")
    func data() throws -> DataSet {
      let data = DataSet()
      try data.append([Sample(question: "", outcomes: [Outcome(candidate: "x", label: 1)])])
      return data
    }
    func losses(_ router: Router, _ data: DataSet) throws -> [Double] {
      try router.add([Candidate(name: "x", profile: "A model.")])
      return try TrainerTests.losses(Trainer(router, options: TrainingData.options(scope)), data)
    }
    let used = try data()
    _ = try losses(small.emptyRouter(), used)
    #expect(try losses(Router(path: model), used) == losses(Router(path: model), data()))
    // Of one width the vector behind two blocks is still no row below a third.
    let encoder = try small.router().networks[0].text
    let third = try TrainedLayers(last: 1, of: 3, "text")
    #expect(encoder.featureName(below: nil, form: "") != encoder.featureName(below: third, form: ""))
  }

  /// One encoder stored in two ways has one name, but what frozen layers make of the data differs in its last bits.
  @Test func keepsApartWhatIsStoredOtherwise() throws {
    let (trainer, data) = try TrainingData.trainer(
      TrainingData.options(TrainingScope(textLayers: 1)))
    try trainer.train(data)
    let paths = ["f32", "int8"].map { "\(directory.path)/\($0).gguf" }
    try trainer.save(to: paths[0])
    try trainer.save(to: paths[1], type: .int8)
    let routers = try paths.map { try Router(path: $0) }
    #expect(routers[0].networks[0].text.hash == routers[1].networks[0].text.hash)
    func gradients(_ router: Router, _ data: DataSet) throws -> [Float] {
      let trainer = try Trainer(router)
      _ = try trainer.computeGradients(data, at: Array(0..<data.count))
      return Array(trainer.gradients)
    }
    func fresh() throws -> DataSet { try TrainingData.set(.named("distilbert-patches-scaled.gguf")) }
    let (expected, used) = (try gradients(routers[1], fresh()), try fresh())
    #expect(try gradients(routers[0], used) != expected)
    #expect(try gradients(routers[1], used) == expected)
  }

  /// One whose embedding was given, and all where encoders have no name, learn as the others do.
  @Test(arguments: TrainerTests.scopes, [true, false])
  func commitsWhatGivenEmbeddingsLearned(_ scope: TrainingScope, isNamed: Bool) throws {
    let fixture = ModelFixture.named("distilbert-concat-scaled.gguf")
    let edited = try EditedModel(fixture, keeping: { isNamed || !$0.hasSuffix(".hash") })
    let router = try Router(path: edited.write(to: directory, "model.gguf"))
    let embedding = (0..<32).map { Float($0 % 5) - 2 }
    try router.add([
      Candidate(name: "given", profile: "A model.", embedding: embedding),
      Candidate(name: "embedded", profile: "Another model."),
    ])
    let data = DataSet()
    try data.append(
      ["What?", "Who?"].map { question in
        Sample(question: question, outcomes: ["given", "embedded"].map { Outcome(candidate: $0, label: 1) })
      })
    let trainer = try Trainer(router, options: TrainingData.options(scope))
    let query = Query(question: "What?")
    // The second commit finds the candidates as the first one has left them.
    for _ in 0..<2 {
      try trainer.train(data)
      try trainer.save(to: path)
      try trainer.commit()
      let saved = try Router(path: path)
      #expect(try router.scores([query]) == saved.scores([query]))
      #expect(router.candidates.map(\.beta) == saved.candidates.map(\.beta))
      #expect(router.candidates.allSatisfy { $0.beta != 0 })
    }
    // Whoever came since is described to the encoder that there is now, also where the old one has no name.
    try router.add([Candidate(name: "late", profile: "It came late.")])
    try trainer.train(data)
    try trainer.commit()
    let encoded = try router.encode(question: .text("It came late."))
    #expect(distance(try router.embedding(ofCandidate: "late"), encoded.embedding) <= 1e-5)
  }

  /// Floats of half precision are trained as what they decode to, and rounded again.
  @Test func trainsHalfPrecision() throws {
    let (first, data) = try TrainingData.trainer(TrainingData.options(.all))
    try first.save(to: path, type: .f16)
    let trainer = try Trainer(try Router(path: path), options: TrainingData.options(.all))
    let largest = try #require(first.values.map(abs).max())
    #expect(distance(Array(trainer.values), Array(first.values)) <= largest * 0x1p-11)
    try trainer.train(data)
    try trainer.save(to: path)
    let saved = try Router(path: path)
    #expect(saved.file.tensor("t.blk.0.attn_q.weight")?.type == .f16)
    #expect(abs(try Trainer(saved).evaluate(data).loss - trainer.evaluate(data).loss) <= 1e-3)
  }

  /// A new encoder has a new name, and every profile is embedded by it.
  @Test(arguments: TrainerTests.scopes) func renamesTrainedEncoders(_ scope: TrainingScope) throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(scope))
    let old = trainer.network
    try trainer.train(data)
    try trainer.save(to: path)
    let saved = try Router(path: path)
    let new = saved.networks[0]
    #expect((new.text.hash == old.text.hash) == (scope.textLayers == 0))
    #expect((new.image?.hash == old.image?.hash) == (scope.imageLayers == 0))
    for candidate in saved.candidates {
      #expect(candidate.encoderHash == new.text.hash)
      let encoded = try saved.encode(question: .text(try saved.profile(ofCandidate: candidate.name)))
      #expect(distance(try saved.embedding(ofCandidate: candidate.name), encoded.embedding) <= 1e-5)
    }
    // A name depends on the weights alone.
    try trainer.save(to: path)
    #expect(try Router(path: path).networks[0].text.hash == new.text.hash)
  }

  @Test func recordsHowItCameAbout() throws {
    var options = TrainingData.options(TrainingScope(textLayers: 1, imageLayers: .max))
    options.seed = 77
    let (trainer, data) = try TrainingData.trainer(options)
    let metrics = try trainer.train(data, validation: data)
    try trainer.save(to: path)
    let text = try Router(path: path).file.string("arms.training.record")
    let record = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(record["text"] as? String == "last 1" && record["image"] as? String == "all")
    #expect(record["seed"] as? Int == 77 && record["epochs"] as? Int == 3)
    let validation = try #require(record["validation"] as? [[String: Any]])
    let losses = validation.compactMap { $0["loss"] as? Double }
    #expect(losses.count == 3 && zip(losses, metrics).allSatisfy { abs($0 - $1.loss) <= 1e-12 })
    #expect(!text.contains(directory.path) && !text.contains("/"))
  }

  /// What is learned is put under the candidates that the router has when it is committed.
  @Test func commitsUnderThePresentCandidates() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.all))
    let router = trainer.router
    let encoded = try router.encode(question: .text("what is this"))
    try trainer.train(data)
    var first = router.candidates[0]
    first.cost = 3
    try router.update([first])
    try router.add([Candidate(name: "late", profile: "It came late.")])
    try router.remove([router.candidates[1].name])
    try trainer.commit()
    #expect(router.candidates.map(\.name).last == "late" && router.candidates[0].cost == 3)
    #expect(router.candidates.allSatisfy { $0.encoderHash == router.networks[0].text.hash })
    // What the old encoder made is refused, not scored wrongly.
    #expect(failure { try router.route(Query(.encoded(encoded))) }?.code == .invalidArgument)
    // Training goes on, and the router's weights do not change with it.
    let committed = try router.score(data.samples.map(Self.query))
    try trainer.train(data)
    #expect(try router.score(data.samples.map(Self.query)) == committed)
    try trainer.commit()
    #expect(try router.score(data.samples.map(Self.query)) != committed)
  }

  @Test func refusesToCommitOverOtherWeights() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.head))
    try trainer.train(data)
    try trainer.router.replace(with: try TrainingData.router(.named("distilbert-patches-scaled.gguf")))
    let generation = trainer.router.listing.generation
    #expect(failure { try trainer.commit() }?.code == .conflict)
    #expect(trainer.router.listing.generation == generation)
  }

  /// The second router of a cascade is trained for itself.
  @Test func trainsTheSecondRouter() throws {
    let model = try EditedModel(paper)
    try model.addSecondRouter()
    try model.addSecondEncoders()
    let router = try Router(path: try model.write(to: directory))
    try router.add([Candidate(name: "second", profile: "Another one.", router: 1)])
    let data = DataSet()
    try data.append(
      (0..<4).map { number in
        Sample(
          question: "question \(number)", images: try (0..<number % 2).map { try .init(copying: image($0)) },
          outcomes: [Outcome(candidate: "second", label: Float(number % 2))])
      })
    let trainer = try Trainer(router, number: 1, options: TrainingData.options(.all))
    let before = try router.score(data.samples.map(Self.query))
    try trainer.train(data)
    try trainer.commit()
    let after = try router.score(data.samples.map(Self.query))
    let columns = router.candidates.count
    for (place, (old, new)) in zip(before, after).enumerated() {
      #expect((old == new) == (place % columns < columns - 1))
    }
    #expect(failure { try trainer.train(try TrainingData.set(paper)) }?.code == .notFound)
    // The first router's record stays.
    try trainer.save(to: path)
    let (old, new) = (router.file, try ModelFile(path: path, copy: true))
    #expect(
      try new.string("arms.training.record", default: "") == old.string("arms.training.record", default: ""))
    #expect(try new.string("arms.second.training.record").contains("\"router\":1"))
  }
}
