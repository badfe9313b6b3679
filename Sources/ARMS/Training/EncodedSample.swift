/// An outcome as training reads it: its candidate by place, not by name.
package struct EncodedOutcome: Sendable, Equatable {
  /// The candidate's place among the trained router's candidates.
  package var candidate: Int
  /// 1 if it answered correctly, 0 if not.
  package var label: Float
  /// How much it counts, above 0.
  package var weight: Float

  /// Makes an outcome.
  package init(candidate: Int, label: Float, weight: Float = 1) {
    self.candidate = candidate
    self.label = label
    self.weight = weight
  }
}

/// A query after frozen encoders, for training a head without a ``DataSet``.
package struct EncodedSample: Sendable {
  /// `q`
  package var question: EncodedQuestion
  /// `g` and `X` of each image.
  package var images: [EncodedImage]
  /// Each candidate at most once.
  package var outcomes: [EncodedOutcome]

  /// Makes a sample of what ``Router/encode(question:)`` and ``Router/encode(image:)`` gave.
  package init(question: EncodedQuestion, images: [EncodedImage] = [], outcomes: [EncodedOutcome]) {
    self.question = question
    self.images = images
    self.outcomes = outcomes
  }
}

extension TrainingSet {
  /// The samples as queries of `network`, both of whose encoders are frozen, and which has `candidates`.
  ///
  /// Throws `invalidArgument`, `notFound` or `limitExceeded`, naming the sample.
  init(_ samples: [EncodedSample], network: RouterNetwork, candidates: Int) throws(ARMSError) {
    var images: [ObjectIdentifier: AlignedBuffer] = [:]
    var queries: [TrainingQuery] = []
    for (number, sample) in samples.enumerated() {
      func fail(_ code: ARMSError.Code, _ text: String) -> ARMSError {
        ARMSError(code, "samples[\(number)]: \(text)")
      }
      guard let question = sample.question.encoding(of: network.text) else {
        throw fail(.invalidArgument, "its question was encoded by another text encoder")
      }
      guard sample.images.count <= network.head.maxImages else {
        throw fail(
          .limitExceeded,
          "it has \(sample.images.count) images; the router takes \(network.head.maxImages) at most")
      }
      for image in sample.images where images[ObjectIdentifier(image)] == nil {
        guard let encoder = network.image else { break }
        guard let encoding = image.encoding(of: encoder),
          network.head.fusion != .patches || encoding.tokens != nil
        else { throw fail(.invalidArgument, "an image was encoded by another image encoder") }
        images[ObjectIdentifier(image)] = try encoder.features(encoding)
      }
      guard !sample.outcomes.isEmpty,
        sample.outcomes.allSatisfy({ (0..<candidates).contains($0.candidate) })
      else { throw fail(.notFound, "it has no outcome, or one of no candidate of this router") }
      let vector = try AlignedBuffer(Float.self, count: network.text.width, purpose: "a question")
      for (column, value) in question.embedding.enumerated() {
        vector.pointer(to: Float.self)[column] = value
      }
      queries.append(
        TrainingQuery(
          number: number, question: .features(vector),
          images: sample.images.compactMap { images[ObjectIdentifier($0)].map(TrainingQuery.Image.features) },
          outcomes: sample.outcomes))
    }
    self.init(queries: queries, cache: FeatureCache(), hash: "")
  }
}

extension ImageEncoder {
  /// `g` and, if there are any, the tokens behind it: what a head reads of a frozen encoder.
  fileprivate func features(_ encoding: EncodedImage.Encoding) throws(ARMSError) -> AlignedBuffer {
    let tokens = encoding.tokens == nil ? 0 : tokenCount * patchWidth
    let buffer = try AlignedBuffer(Float.self, count: featureOffset + tokens, purpose: "an image")
    let start = buffer.pointer(to: Float.self)
    for (column, value) in encoding.embedding.enumerated() { start[column] = value }
    if let source = encoding.tokens {
      (start + featureOffset).update(from: source.pointer(to: Float.self), count: tokens)
    }
    return buffer
  }
}

extension Trainer {
  /// As ``train(_:validation:checkpoint:progress:)``, of queries that are encoded already. Both encoders are frozen.
  @discardableResult
  package func train(
    _ samples: [EncodedSample], validation: [EncodedSample] = [],
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws(ARMSError) -> [TrainingMetrics] {
    try train(
      try trainingSet(samples), validation: validation.isEmpty ? nil : try trainingSet(validation),
      progress: progress)
  }

  /// The samples as queries. Throws `unsupported` if an encoder is trained.
  func trainingSet(_ samples: [EncodedSample]) throws(ARMSError) -> TrainingSet {
    guard options.scope == .head else {
      throw ARMSError(.unsupported, "samples that are encoded already train the head only")
    }
    return try TrainingSet(samples, network: network, candidates: pool.count)
  }
}
