/// Queries after the encoders.
struct EncodedQueries {
  let questions: EncodedQuestions
  let images: EncodedImages

  /// What `network`'s head reads; the encoders must be its own.
  func input(for network: RouterNetwork) -> HeadInput {
    let readsTokens = network.head.fusion == .patches
    return HeadInput(
      count: questions.count, question: questions.pooled,
      image: images.pooled(or: network.head.noImage),
      imageStarts: images.starts, imageTokens: readsTokens ? images.tokens : nil,
      tokensPerImage: network.image?.tokenCount ?? 0, noImageTokens: network.head.noImageTokens)
  }
}

/// Pooled questions and how many tokens they had.
struct EncodedQuestions {
  let count: Int
  /// `[count, d_t]`
  let pooled: UnsafeMutablePointer<Float>
  /// `[count]`: tokens read.
  let tokens: UnsafeMutablePointer<Int>
  /// `[count]`: tokens before truncation.
  let totals: UnsafeMutablePointer<Int>
}

/// The images of queries, one query after the other.
struct EncodedImages {
  let queries: Int
  /// `d_v`
  let width: Int
  /// `[queries + 1]`
  let starts: UnsafePointer<Int>
  /// `[images, d_v]`
  let each: UnsafePointer<Float>
  /// `[images]`, each `[tokenCount, d_p]`; nil if nobody reads them.
  let tokens: UnsafePointer<UnsafePointer<Float>>?
  /// `[queries, d_v]`, filled by ``pooled(or:)``.
  let means: UnsafeMutablePointer<Float>

  /// The pooled image of each query: the mean of its images, or the learned vector if it has none.
  func pooled(or learned: UnsafePointer<Float>) -> UnsafePointer<Float> {
    for query in 0..<queries {
      let target = means + query * width
      let (start, end) = (starts[query], starts[query + 1])
      if start == end {
        target.update(from: learned, count: width)
        continue
      }
      target.update(repeating: 0, count: width)
      for image in start..<end {
        for column in 0..<width { target[column] += each[image * width + column] }
      }
      for column in 0..<width { target[column] /= Float(end - start) }
    }
    return UnsafePointer(means)
  }
}

extension EncodedImages {
  /// What a network without an image encoder reads: as if no query had an image.
  init(ignoring queries: Int, width: Int, in arena: ScratchArena) throws(ARMSError) {
    let starts = try arena.allocate(Int.self, queries + 1)
    starts.update(repeating: 0, count: queries + 1)
    let means = try arena.allocate(Float.self, queries * width)
    self.init(
      queries: queries, width: width, starts: UnsafePointer(starts), each: UnsafePointer(means), tokens: nil,
      means: means)
  }
}
