import ARMS
import CBenchmark
import Glibc

/// A router and what it is given: prepared pixels, token ids, and an image file. Allocated once and never freed.
struct Workload {
  /// Tokens of a question where nothing else is said.
  static let tokens = 32
  /// Candidates where the model file has none.
  static let candidateCount = 8

  let router: Router
  private let pixels: UnsafeBufferPointer<Float>
  private let ids: UnsafeBufferPointer<Int32>

  init(model: String, threads: Int) throws(ARMSError) {
    var options = Router.Options()
    options.threads = threads
    router = try Router(path: model, options: options)
    if router.candidates.isEmpty {
      try router.add(
        (0..<Self.candidateCount).map {
          Candidate(name: "model-\($0)", profile: "A vision-language model of \($0 + 1)B parameters.")
        })
    }
    var random = Linear(state: 1)
    let pixels = UnsafeMutableBufferPointer<Float>.allocate(capacity: router.preparedCount)
    pixels.initialize(repeating: 0)
    for index in pixels.indices { pixels[index] = random.uniform() * 4 - 2 }
    self.pixels = UnsafeBufferPointer(pixels)
    // Known words, not [CLS] and the like; a small vocabulary repeats them.
    let ids = UnsafeMutableBufferPointer<Int32>.allocate(capacity: router.description.maxQuestionTokens)
    ids.initialize(repeating: 0)
    let words = try router.words()
    for index in ids.indices { ids[index] = words[Int(random.uniform() * Float(words.count - 1))] }
    self.ids = UnsafeBufferPointer(ids)
  }

  var prepared: ImageInput { ImageInput(.prepared(pixels)) }

  /// A question of token ids.
  func question(tokens: Int = tokens) -> Query.Question {
    .tokens(UnsafeBufferPointer(rebasing: ids[0..<min(tokens, ids.count)]))
  }

  /// One image and a question.
  func query(tokens: Int = tokens) -> Query {
    Query(question(tokens: tokens), images: [.input(prepared)])
  }

  /// A question of 15 words.
  static let text = "What is the name of the shop on the corner behind the two red cars?"
}

extension Router {
  /// Ids of what the workload's text is made of.
  fileprivate func words() throws(ARMSError) -> [Int32] {
    let text = Array(Workload.text.utf8)
    return try text.withUnsafeBufferPointer { (bytes) throws(ARMSError) in try tokenize(bytes).ids }
  }
}

/// A linear congruential generator: the same numbers in every run.
private struct Linear {
  var state: UInt64

  /// 0 up to 1.
  mutating func uniform() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(state >> 40) / Float(1 << 24)
  }
}

/// An encoded image in memory: read from a file, or drawn.
func encodedImage(_ path: String?) throws(ARMSError) -> UnsafeRawBufferPointer {
  guard let path else {
    var size = 0
    guard let file = cb_draw_jpeg(4_032, 3_024, &size) else {
      throw ARMSError(.outOfMemory, "a picture of 12 megapixels cannot be drawn")
    }
    return UnsafeRawBufferPointer(start: file, count: size)
  }
  guard let file = fopen(path, "rb") else { throw ARMSError(.io, "image '\(path)' cannot be opened") }
  defer { fclose(file) }
  fseek(file, 0, SEEK_END)
  let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(0, ftell(file)), alignment: 64)
  rewind(file)
  guard fread(bytes.baseAddress, 1, bytes.count, file) == bytes.count else {
    throw ARMSError(.io, "image '\(path)' cannot be read")
  }
  return UnsafeRawBufferPointer(bytes)
}
