import Testing

@testable import ARMS

/// Encoders, head and loss as the equations stand, in double.
struct DoubleRouter {
  private var text: DoubleEncoder
  private var image: DoubleEncoder
  private var head: DoubleHead
  private let trainer: Trainer
  private let imageEncoder: ImageEncoder
  private let queries: [TrainingQuery]
  /// Of each query's images.
  private let patches: [[[[Double]]]]
  /// What the encoders make of questions, profiles and images: computed again only if their weights change.
  private var questions: [[Double]] = []
  private var profiles: [Double] = []
  private var images: [[DoubleHead.Image]] = []

  /// `pixels` are the numbers of each query's images.
  init(_ trainer: Trainer, _ queries: [TrainingQuery], pixels: [[Int]]) throws {
    let alpha = Double(trainer.options.adapters?.scaling ?? 0)
    text = DoubleEncoder(
      trainer.parameters, frozen: trainer.network.text.parameters, alpha: alpha, prefix: "t",
      blocks: trainer.text.encoder.blocks)
    image = DoubleEncoder(
      trainer.parameters, frozen: trainer.network.image?.parameters ?? [], alpha: alpha, prefix: "v",
      blocks: try trainer.imageEncoder().blocks)
    head = try DoubleHead(trainer)
    self.trainer = trainer
    imageEncoder = try trainer.imageEncoder()
    self.queries = queries
    let encoder = imageEncoder
    patches = pixels.map { $0.map { DoubleEncoder.patches(of: ModelFixture.pixels($0), encoder) } }
    encodeTexts()
    encodeImages()
  }

  private mutating func encodeTexts() {
    questions = queries.map { text.encode($0.question, trainer.text.encoder) }
    profiles = trainer.profiles.flatMap { text.encode($0, trainer.text.encoder) }
  }

  private mutating func encodeImages() {
    images = patches.map { $0.map { image.encode($0, imageEncoder) } }
  }

  /// The loss; the text encoder makes questions and profiles.
  func loss() -> Double {
    DoubleHead.loss(
      queries.indices.map {
        (head.logits(questions[$0], images[$0], profiles: profiles), queries[$0].outcomes)
      })
  }

  /// The central difference of the loss along a direction of a tensor.
  func slope(_ name: String, along direction: [Double]) -> Double {
    let step = 1e-5
    func loss(at step: Double) -> Double {
      var moved = self
      moved.add(step, to: name, along: direction)
      return moved.loss()
    }
    return (loss(at: step) - loss(at: -step)) / (2 * step)
  }

  private mutating func add(_ step: Double, to name: String, along direction: [Double]) {
    if name.hasPrefix("t.") {
      text.add(step, to: name, along: direction)
      encodeTexts()
    } else if name.hasPrefix("v.") {
      image.add(step, to: name, along: direction)
      encodeImages()
    } else {
      head.add(step, to: name, along: direction)
    }
  }
}

@Suite struct JointGradientTests {
  static let models = [
    "bert-concat-paper.gguf", "bert-patches-paper.gguf", "bert-pooled-scaled.gguf",
    "distilbert-concat-scaled.gguf", "distilbert-patches-scaled.gguf", "distilbert-pooled-paper.gguf",
  ]

  /// Everything at once: the questions reach gate, experts and classifier, the text encoder's gradient is that of
  /// questions and profiles together, and a batch runs in two passes.
  @Test(arguments: models) func agreesWithCentralDifferences(_ model: String) throws {
    var options = TrainingData.options(.all)
    options.microBatchSize = 2
    let (trainer, data) = try TrainingData.trainer(options, model: model)
    // Without an image, with one and with two.
    let set = try trainer.trainingSet(data)
    let loss = try trainer.computeGradients(data, at: [0, 1, 2])
    let reference = try DoubleRouter(
      trainer, Array(set.queries[..<3]), pixels: [[], [1], [2, 3]])
    #expect(abs(loss - reference.loss()) <= 1e-5)
    let turn = try #require(Self.models.firstIndex(of: model))
    var random = SplitMix64(seed: 4)
    for (number, entry) in trainer.parameters.entries.enumerated() {
      let name = entry.parameter.name
      // The reference is slow: each model has its turn with a part of the encoders' parameters.
      if name.hasPrefix("t.") || name.hasPrefix("v."), number % 3 != turn % 3 { continue }
      let gradient = try trainer.gradient(name)
      // All elements at once: an error of one of them shows with its full size.
      let direction = signs(gradient.count, &random)
      let (part, norm) = projection(gradient, along: direction)
      let numeric = reference.slope(name, along: direction)
      // The biases of keys change nothing: what their gradient has is rounding, of sums of some 1e-8 each.
      #expect(abs(part - numeric) <= 1e-3 * norm + 2e-7, "\(name): \(part) for \(numeric), norm \(norm)")
    }
  }

  /// A smaller scope has the gradients that a larger one has of the same weights.
  @Test(arguments: [
    TrainingScope.head, .text, .image, TrainingScope(textLayers: 1), TrainingScope(imageLayers: 1),
    TrainingScope(textLayers: 2, imageLayers: 2), TrainingScope(textLayers: 1, imageLayers: .max),
  ])
  func scopesAgree(_ scope: TrainingScope) throws {
    let (whole, data) = try TrainingData.trainer(TrainingData.options(.all))
    let (part, _) = try TrainingData.trainer(TrainingData.options(scope))
    let expected = try whole.computeGradients(data, at: [0, 1, 2, 4, 5])
    // The second time frozen layers are not run again.
    for _ in 0..<2 {
      let loss = try part.computeGradients(data, at: [0, 1, 2, 4, 5])
      #expect(abs(loss - expected) <= 1e-5)
      for entry in part.parameters.entries {
        let name = entry.parameter.name
        let (left, right) = (try part.gradient(name), try whole.gradient(name))
        let norm = right.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(distance(left, right) <= 1e-4 * norm + 1e-6, "\(name)")
      }
    }
    let names = Set(part.parameters.entries.map(\.parameter.name))
    #expect(names.contains("t.blk.1.ffn_up.weight") == (scope.textLayers > 0))
    #expect(names.contains("t.token_embd.weight") == (scope.textLayers == .max))
    #expect(names.contains("v.projection.weight") == (scope.imageLayers > 0))
    #expect(names.contains("v.class_embd") == (scope.imageLayers == .max))
    #expect(names.contains("gate.weight") && names.contains("candidate.delta"))
  }

  /// Passes of any size have the gradients of the batch in one.
  @Test(arguments: [1, 2, 5, 100]) func passesAccumulate(_ size: Int) throws {
    let (whole, data) = try TrainingData.trainer(TrainingData.options(.all))
    var options = TrainingData.options(.all)
    options.microBatchSize = size
    let (parts, _) = try TrainingData.trainer(options)
    for _ in 0..<2 {
      let losses = try [whole, parts].map { try $0.computeGradients(data, at: [5, 0, 3, 1, 2]) }
      #expect(abs(losses[0] - losses[1]) <= 1e-6)
      #expect(distance(Array(whole.gradients), Array(parts.gradients)) <= 1e-5)
    }
  }

  /// A batch without an image leaves nothing of the one before in the image encoder's gradients.
  @Test func batchesWithoutImagesHaveNoImageGradients() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.all))
    _ = try trainer.computeGradients(data, at: [1, 2])
    #expect(try trainer.gradient("v.class_embd").contains { $0 != 0 })
    _ = try trainer.computeGradients(data, at: [0, 3])
    #expect(try trainer.gradient("v.class_embd").allSatisfy { $0 == 0 })
    #expect(try trainer.gradient("no_image.pooled").contains { $0 != 0 })
  }
}
