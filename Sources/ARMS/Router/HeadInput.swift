/// Encoded queries as the head reads them.
struct HeadInput {
  /// Queries.
  let count: Int
  /// `[count, d_t]`: the pooled questions `q`.
  let question: UnsafePointer<Float>
  /// `[count, d_v]`: the pooled images `g`; of several images their mean, of none the learned vector.
  let image: UnsafePointer<Float>
  /// `[count + 1]`: where each query's images begin among all.
  let imageStarts: UnsafePointer<Int>
  /// The tokens `X` of every image, `[tokensPerImage, d_p]` each.
  let imageTokens: UnsafePointer<UnsafePointer<Float>>?
  let tokensPerImage: Int
  /// `[1, d_p]`: what a query without an image attends to.
  let noImageTokens: UnsafePointer<Float>?

  /// The images of a query with their numbers, which choose the image-index embedding; without an image the
  /// learned token, which has none.
  func images(of query: Int) -> ImageTokens { ImageTokens(input: self, query: query) }

  /// Whether a query has an image.
  func hasImage(_ query: Int) -> Bool { imageStarts[query + 1] > imageStarts[query] }

  /// Whether any query has no image.
  var hasQueryWithoutImage: Bool { (0..<count).contains { !hasImage($0) } }

  /// The most tokens that any query attends to.
  var mostTokens: Int {
    var most = 1
    for query in 0..<count {
      most = max(most, (imageStarts[query + 1] - imageStarts[query]) * tokensPerImage)
    }
    return most
  }
}

/// Iterates over the images of one query: its number, or nil for the learned token, and its tokens.
struct ImageTokens: Sequence, IteratorProtocol {
  typealias Element = (number: Int?, tokens: (start: UnsafePointer<Float>, count: Int))

  private let input: HeadInput
  private let first: Int
  private let count: Int
  private var position = 0

  init(input: HeadInput, query: Int) {
    self.input = input
    first = input.imageStarts[query]
    count = input.imageStarts[query + 1] - first
  }

  mutating func next() -> Element? {
    defer { position += 1 }
    if count == 0 {
      guard position == 0, let learned = input.noImageTokens else { return nil }
      return (nil, (learned, 1))
    }
    guard position < count, let tokens = input.imageTokens else { return nil }
    return (position, (tokens[first + position], input.tokensPerImage))
  }
}
