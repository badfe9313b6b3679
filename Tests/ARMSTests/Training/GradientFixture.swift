import Foundation
import Testing

@testable import ARMS

/// The gradients that PyTorch computes for a small model (Tests/Fixtures/make_gradients.py).
struct GradientFixture: Decodable, CustomTestStringConvertible {
  struct Sample: Decodable {
    let question: Int
    let images: [Int]
    /// Each candidate, label, weight.
    let outcomes: [[Float]]
  }
  struct Gradient: Decodable {
    let norm: Float
    let places: [Int]
    let values: [Float]
  }

  let model: String
  let samples: [Sample]
  let loss: Double
  let gradients: [String: Gradient]
  let losses: [Double]

  var testDescription: String { model }

  /// All fixtures, in the order of their names.
  static let all: [GradientFixture] = {
    let directory = ModelFixture.directory.deletingLastPathComponent().appending(path: "gradients")
    let files =
      (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }.map { file in
      do {
        return try JSONDecoder().decode(GradientFixture.self, from: Data(contentsOf: file))
      } catch {
        fatalError("\(file.path): \(error)")
      }
    }
  }()

  var fixture: ModelFixture { ModelFixture.named(model) }

  /// The samples, with the features that PyTorch read.
  func trainingSamples(_ router: Router) throws -> [EncodedSample] {
    let fixture = fixture
    return try samples.map { sample in
      EncodedSample(
        question: EncodedQuestion([
          .init(
            encoder: router.networks[0].text, embedding: fixture.questions[sample.question].embedding,
            tokens: 1, totalTokens: 1)
        ]),
        images: try sample.images.map { try fixture.encodedImage($0, router) },
        outcomes: sample.outcomes.map { EncodedOutcome(candidate: Int($0[0]), label: $0[1], weight: $0[2]) })
    }
  }
}

extension ModelFixture {
  /// An image with the embedding and the tokens that PyTorch computed.
  func encodedImage(_ number: Int, _ router: Router) throws -> EncodedImage {
    let values = images[number].tokens.flatMap { $0 }
    let tokens = try AlignedBuffer(Float.self, count: values.count, purpose: "tokens")
    tokens.pointer(to: Float.self).update(from: values, count: values.count)
    return EncodedImage([
      .init(
        encoder: try #require(router.networks[0].image), embedding: images[number].embedding, tokens: tokens)
    ])
  }
}

extension Trainer {
  /// The gradient of a parameter.
  func gradient(_ name: String) throws -> [Float] {
    let entry = try #require(parameters[name], "\(name)")
    return Array(
      UnsafeBufferPointer(start: parameters.gradients + entry.offset, count: entry.parameter.count))
  }

  /// The present values of a parameter.
  func values(_ name: String) throws -> [Float] {
    let entry = try #require(parameters[name], "\(name)")
    return Array(UnsafeBufferPointer(start: parameters.values + entry.offset, count: entry.parameter.count))
  }
}

extension Trainer {
  /// The gradients of what the head reads, pass by pass: questions, `g`, and tokens if the fusion reads them.
  func inputGradients(
    _ samples: [EncodedSample]
  ) throws -> (question: [Float], image: [Float], tokens: [Float]) {
    let set = try trainingSet(samples)
    let encoder = try imageEncoder()
    var result: (question: [Float], image: [Float], tokens: [Float]) = ([], [], [])
    let total = loss.totalWeight(set.queries, at: set.places)
    for pass in set.places.passes(of: options.queriesPerPass) {
      try engine.execute { (execution) throws(ARMSError) in
        let made = try forward(pass.map { set.queries[$0] }, cache: set.cache, on: execution)
        let tokenFloats = made.images.count * encoder.tokenCount * encoder.patchWidth
        func room(_ count: Int) throws(ARMSError) -> UnsafeMutablePointer<Float> {
          try execution.arena.allocate(Float.self, count)
        }
        let wanted = HeadInputGradients(
          question: try room(pass.count * head.questionWidth), image: try room(pass.count * head.imageWidth),
          tokens: try room(tokenFloats))
        let dy = try room(pass.count * candidates.count)
        _ = loss.gradient(
          made.batch, logits: made.kept.classifier.logits, candidates: candidates.count, totalWeight: total,
          into: dy)
        try head.backward(
          made.batch.input, candidates: candidates, kept: made.kept, dy: dy, wanted: wanted,
          into: Gradients(of: parameters, accumulates: false), on: execution)
        result.question += UnsafeBufferPointer(start: wanted.question, count: pass.count * head.questionWidth)
        result.image += UnsafeBufferPointer(start: wanted.image, count: pass.count * head.imageWidth)
        result.tokens += UnsafeBufferPointer(start: wanted.tokens, count: tokenFloats)
        extendLifetime(made.images)
      }
    }
    return result
  }
}
