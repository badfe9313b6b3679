import Foundation
import Testing

@testable import ARMS

/// A small model file and what PyTorch computes with its weights (Tests/Fixtures/make_models.py).
struct ModelFixture: Decodable, CustomTestStringConvertible {
  struct Question: Decodable {
    let text: String
    let tokens: [Int32]
    let total_tokens: Int
    let embedding: [Float]
  }
  struct Image: Decodable {
    let image: Int
    let embedding: [Float]
    let tokens: [[Float]]
  }
  struct CandidateValues: Decodable {
    let name: String
    let profile: String
    let embedding: [Float]
    let temperature: Float
    let bias: Float
  }
  struct Route: Decodable {
    let question: Int
    let images: [Int]
    let gate: [Float]
    let cosine: [Float]
    let logit: [Float]
    let confidence: [Float]
  }

  let model: String
  let tolerance: Float?
  let cosine: Float?
  let questions: [Question]
  let images: [Image]
  let candidates_in_file: Bool
  let candidates: [CandidateValues]
  let routes: [Route]

  var testDescription: String { model }

  static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/models")

  /// All fixtures, in the order of their names.
  static let all: [ModelFixture] = {
    let files =
      (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }.map { file in
      do {
        return try JSONDecoder().decode(ModelFixture.self, from: Data(contentsOf: file))
      } catch {
        fatalError("\(file.path): \(error)")
      }
    }
  }()

  /// The fixture with this model file.
  static func named(_ model: String) -> ModelFixture {
    guard let fixture = all.first(where: { $0.model == model }) else { fatalError("no fixture \(model)") }
    return fixture
  }

  var path: String { Self.directory.appending(path: model).path }

  /// The router, with the fixture's candidates if the file has none.
  func router(threads: Int = 2) throws -> Router {
    var options = Router.Options()
    options.threads = threads
    let router = try Router(path: path, options: options)
    if !candidates_in_file {
      try router.add(
        candidates.map {
          Candidate(
            name: $0.name, profile: $0.profile, embedding: $0.embedding, temperature: $0.temperature,
            bias: $0.bias)
        })
    }
    return router
  }

  /// Pixels of image `number`, as the fixture's page describes them.
  static func pixels(_ number: Int) -> [Float] {
    var pixels: [Float] = []
    for channel in 0..<3 {
      for row in 0..<32 {
        for column in 0..<32 {
          pixels.append(Float((7 * channel + 3 * row + 5 * column + 11 * number) % 17) / 8 - 1)
        }
      }
    }
    return pixels
  }

  /// Runs `body` with a query of this route.
  func withQuery<R>(_ route: Route, _ body: (Query) throws -> R) rethrows -> R {
    let pixels = route.images.flatMap { Self.pixels($0) }
    return try pixels.withUnsafeBufferPointer { all in
      let count = 3 * 32 * 32
      let images = route.images.indices.map {
        ImageInput(.prepared(UnsafeBufferPointer(rebasing: all[$0 * count..<($0 + 1) * count])))
      }
      return try body(Query(question: questions[route.question].text, images: images))
    }
  }
}

/// The cosine of two vectors.
func cosine(_ x: [Float], _ y: [Float]) -> Float {
  let dot = zip(x, y).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
  let norm = { (v: [Float]) in v.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
  return Float(dot / (norm(x) * norm(y)))
}

/// The largest difference of two vectors; infinite if they are of different length or not finite.
func distance(_ x: [Float], _ y: [Float]) -> Float {
  guard x.count == y.count, x.allSatisfy(\.isFinite) else { return .infinity }
  return zip(x, y).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
