import Testing

@testable import ARMS

/// Routers without an image encoder.
@Suite struct TextOnlyTests {
  private static let sources = ["bert-pooled-scaled.gguf", "bert-concat-paper.gguf"]

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The fixture's model without its image encoder, and so without all that is about images but their width.
  private func textOnly(_ name: String, _ change: (EditedModel) -> Void = { _ in }) throws -> String {
    let fixture = ModelFixture.named(name)
    let model = try EditedModel(
      fixture,
      keeping: { name in
        !name.hasPrefix("v.") && (!name.hasPrefix("arms.vision.") || name.hasSuffix("projection_length"))
      })
    change(model)
    return try model.write(to: directory, "text-only-\(name)")
  }

  private func router(_ name: String) throws -> Router {
    let router = try Router(path: textOnly(name))
    let fixture = ModelFixture.named(name)
    if !fixture.candidates_in_file {
      try router.add(
        fixture.router().candidates.map { candidate in
          var candidate = candidate
          candidate.embedding = try? fixture.router().embedding(ofCandidate: candidate.name)
          return candidate
        })
    }
    return router
  }

  /// It decides as the whole router decides without images, whatever it is given.
  @Test(arguments: sources) func ignoresImages(_ name: String) throws {
    let (router, whole) = (try router(name), try ModelFixture.named(name).router())
    let picture = try whole.encode(image: image(1))
    for question in ModelFixture.named(name).questions {
      let expected = try whole.route(Query(question: question.text))
      #expect(!expected.ignoredImages)
      let blind = try router.route(Query(question: question.text))
      #expect(same(blind, expected) && !blind.ignoredImages)
      let images: [[Query.Image]] = [
        [.input(image(1))], [.input(image(0)), .encoded(picture)],
        [.encoded(try router.encode(image: image(0)))], [.input(ImageInput(.path("/none.png")))],
      ]
      for images in images {
        let decision = try router.route(Query(.text(question.text), images: images))
        #expect(same(decision, expected) && decision.ignoredImages)
      }
    }
    let queries = [Query(question: "What?", images: [image(0)]), Query(question: "Who?")]
    #expect(
      try router.scores(queries) == whole.scores([Query(question: "What?"), Query(question: "Who?")]))
  }

  @Test func saysThatItHasNoImageEncoder() throws {
    let router = try router("bert-pooled-scaled.gguf")
    let whole = try ModelFixture.named("bert-pooled-scaled.gguf").router()
    let (description, other) = (router.description, whole.description)
    #expect(description.imageSize == 0 && description.imageTokens == 0 && description.patchWidth == 0)
    #expect(description.imageWidth == other.imageWidth && description.maxImages == other.maxImages)
    #expect(router.preparedCount == 0)
    #expect(try router.encode(image: image(0)).embedding.isEmpty)
    #expect(failure { try router.prepare(image(0)) { _ in nil } }?.code == .unsupported)
    #expect(try router.multiplyAdds(tokens: 3).image == 0 && router.memory.mapped < whole.memory.mapped)
    let many = Query(question: "", images: (0...description.maxImages).map { image($0) })
    #expect(try router.route(many).ignoredImages)
    #expect(try router.scores([many]) == router.scores([Query(question: "")]))
  }

  /// What it made of an image is no embedding for a router that wants one.
  @Test func itsEncodedImagesAreForItsKind() throws {
    let picture = try router("bert-pooled-scaled.gguf").encode(image: image(0))
    let error = failure { try paper.router().route(Query(.text("What?"), images: [.encoded(picture)])) }
    #expect(error?.code == .invalidArgument && error?.message.contains("another image encoder") == true)
  }

  @Test func savesReloadsAndReplaces() throws {
    let router = try router("bert-pooled-scaled.gguf")
    let path = directory.path + "/saved.gguf"
    try router.save(to: path)
    let query = Query(question: "What?", images: [image(0)])
    #expect(same(try Router(path: path).route(query), try router.route(query)))
    let seeing = try ModelFixture.named("bert-pooled-scaled.gguf").router()
    try seeing.reload(from: path)
    #expect(same(try seeing.route(query), try router.route(query)))
    try seeing.replace(with: paper.router())
    #expect(try !seeing.route(query).ignoredImages)
  }

  @Test func joinsWithARouterThatSees() throws {
    let (blind, seeing) = (try router("bert-pooled-scaled.gguf"), try paper.router())
    try seeing.remove(seeing.candidates.map(\.name))
    try seeing.add([Candidate(name: "other", profile: "Reads charts.")])
    let query = Query(question: "What?", images: [image(0)])
    for (first, second) in [(blind, seeing), (seeing, blind)] {
      let path = directory.path + "/cascade.gguf"
      try first.join(second, to: path)
      let cascade = try Router(path: path)
      var two = RouteOptions(policy: .cascade(theta: 1))
      let joined = try cascade.route(query, two)
      two.second = second
      #expect(same(joined, try first.route(query, two)) && joined.ignoredImages)
      #expect(cascade.networks.map { $0.image == nil } == [first === blind, second === blind])
    }
    // A second router that says nothing of images has the first's encoder, or as it none.
    let both = try Router(
      path: textOnly("bert-concat-paper.gguf") { model in try? model.addSecondRouter() })
    #expect(both.networks.count == 2 && both.networks.allSatisfy { $0.image == nil })
  }

  @Test func trainsItsHead() throws {
    let router = try router("bert-pooled-scaled.gguf")
    let (question, picture) = (
      try router.encode(question: .text("What?")), try router.encode(image: image(0))
    )
    let samples = (0..<4).map { number in
      EncodedSample(
        question: question, images: number % 2 == 0 ? [picture] : [],
        outcomes: [EncodedOutcome(candidate: 0, label: 1), EncodedOutcome(candidate: 1, label: 0)])
    }
    let trainer = try Trainer(router)
    let before = try trainer.evaluate(samples).loss
    _ = try trainer.train(samples)
    #expect(try trainer.evaluate(samples).loss < before)
    var options = TrainingOptions()
    for layers in [1, 2, .max - 1, .max] {
      options.scope = TrainingScope(imageLayers: layers)
      let error = failure { try Trainer(router, options: options) }
      #expect(error?.code == .invalidArgument && error?.message.contains("no image encoder") == true)
    }
  }

  @Test func refusesFilesThatContradictThemselves() throws {
    let patches = failure { try Router(path: textOnly("bert-patches-paper.gguf")) }
    #expect(patches?.code == .invalidModel && patches?.message.contains("image encoder") == true)
    let model = try EditedModel(
      .named("bert-pooled-scaled.gguf"), keeping: { !$0.hasPrefix("v.") && !$0.hasPrefix("arms.vision.") })
    let widthless = failure { try Router(path: try model.write(to: directory)) }
    #expect(widthless?.code == .invalidModel && widthless?.message.contains("projection_length") == true)
    let wider = failure {
      try Router(
        path: textOnly("bert-pooled-scaled.gguf") { $0.set("arms.vision.projection_length", .uint32(500)) })
    }
    #expect(wider?.code == .invalidModel)
  }
}
