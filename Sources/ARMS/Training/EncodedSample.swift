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

/// A query after the frozen encoders, encoded once for all epochs, with the outcomes that are known: those of
/// other candidates are masked.
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

extension EncodedSample {
  /// Throws, naming the sample, if it is not of this network's encoders or has an impossible outcome.
  func validate(number: Int, network: RouterNetwork, candidates: Int) throws(ARMSError) {
    func fail(_ code: ARMSError.Code, _ text: String) -> ARMSError {
      ARMSError(code, "sample \(number): \(text)")
    }
    guard let question = question.encoding(of: network.text) else {
      throw fail(
        .invalidArgument, "its question was encoded by another text encoder; encode it with this router")
    }
    guard question.embedding.allSatisfy(\.isFinite) else {
      throw fail(.notFinite, "its question's embedding has NaN or infinite numbers")
    }
    guard images.count <= network.head.maxImages else {
      throw fail(
        .limitExceeded, "it has \(images.count) images; the router takes \(network.head.maxImages) at most")
    }
    for image in images {
      guard let encoder = network.image else { break }
      guard let image = image.encoding(of: encoder) else {
        throw fail(
          .invalidArgument, "an image was encoded by another image encoder; encode it with this router")
      }
      guard network.head.fusion != .patches || image.tokens != nil else {
        throw fail(
          .invalidArgument,
          "an image has no tokens, which this router's fusion reads; encode it with this router")
      }
      guard image.embedding.allSatisfy(\.isFinite) else {
        throw fail(.notFinite, "an image's embedding has NaN or infinite numbers")
      }
    }
    guard !outcomes.isEmpty else { throw fail(.invalidArgument, "it has no outcome; one at least is wanted") }
    var seen: Set<Int> = []
    for outcome in outcomes {
      guard (0..<candidates).contains(outcome.candidate) else {
        throw fail(.notFound, "candidate \(outcome.candidate) is not among the \(candidates) of this router")
      }
      guard seen.insert(outcome.candidate).inserted else {
        throw fail(.invalidArgument, "candidate \(outcome.candidate) has two outcomes; give one")
      }
      guard outcome.label == 0 || outcome.label == 1 else {
        throw fail(
          .invalidArgument,
          "the label of candidate \(outcome.candidate) is \(outcome.label); 0 or 1 is wanted")
      }
      guard outcome.weight.isFinite, outcome.weight > 0 else {
        throw fail(
          .invalidArgument,
          "the weight of candidate \(outcome.candidate) is \(outcome.weight); above 0 is wanted")
      }
    }
  }
}
