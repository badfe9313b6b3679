@testable import ARMS

/// A query after frozen encoders, whoever ran them.
struct EncodedSample {
  var question: EncodedQuestion
  var images: [EncodedImage] = []
  var outcomes: [EncodedOutcome]
}

extension Trainer {
  /// The samples as queries of which everything is kept already that the frozen encoders would make.
  func trainingSet(_ samples: [EncodedSample]) throws -> TrainingSet {
    let cache = FeatureCache()
    func keep(_ item: FeatureCache.Item, _ layers: String, _ features: AlignedBuffer) {
      cache.keep(features, for: FeatureCache.Key(layers: layers, item: item), limit: .max)
    }
    let queries = try samples.enumerated().map { number, sample in
      // No tokenizer's: they only tell the questions apart.
      let tokens = [Int32(number)]
      let embedding = sample.question.embedding
      let question = try AlignedBuffer(Float.self, count: embedding.count, purpose: "a question")
      question.pointer(to: Float.self).update(from: embedding, count: embedding.count)
      keep(.text(tokens), text.featureName ?? "text", question)
      var images: [Sample.Image] = []
      for encoded in sample.images {
        guard let image else { break }
        images.append(try Sample.Image(copying: ARMSTests.image(0)))
        keep(
          .image(ObjectIdentifier(images[images.count - 1])), image.featureName ?? "image",
          try image.encoder.features(encoded.encodings[0]))
      }
      return TrainingQuery(number: number, question: tokens, images: images, outcomes: sample.outcomes)
    }
    return TrainingSet(queries: queries, cache: cache, hash: "")
  }

  /// As ``train(_:validation:checkpoint:progress:)``.
  @discardableResult
  func train(
    _ samples: [EncodedSample], validation: [EncodedSample]? = nil,
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws -> [TrainingMetrics] {
    try train(
      try trainingSet(samples), validation: try validation.map { try trainingSet($0) }, progress: progress)
  }

  /// The mean loss of the samples, and its gradients.
  @discardableResult
  func computeGradients(_ samples: [EncodedSample]) throws -> Double {
    let set = try trainingSet(samples)
    return try computeGradients(set, at: set.places)
  }

  func evaluate(_ samples: [EncodedSample]) throws -> TrainingMetrics {
    try evaluate(try trainingSet(samples), label: "the loss")
  }
}

extension ImageEncoder {
  /// `g` and, if there are any, the tokens behind it: what a head reads of a frozen encoder.
  fileprivate func features(_ encoding: EncodedImage.Encoding) throws -> AlignedBuffer {
    let tokens = encoding.tokens == nil ? 0 : tokenCount * patchWidth
    let buffer = try AlignedBuffer(Float.self, count: featureOffset + tokens, purpose: "an image")
    let start = buffer.pointer(to: Float.self)
    start.update(from: encoding.embedding, count: encoding.embedding.count)
    if let source = encoding.tokens {
      (start + featureOffset).update(from: source.pointer(to: Float.self), count: tokens)
    }
    return buffer
  }
}
