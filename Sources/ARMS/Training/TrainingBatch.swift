/// Encoded queries as the head reads them, in the memory of one pass.
struct TrainingBatch {
  let input: HeadInput
  let queries: [TrainingQuery]

  /// Joins encoded questions and images; `head` gives what stands for no image.
  init(
    _ queries: [TrainingQuery], texts: TextPass, images: ImagePass, tokensPerImage: Int, head: Head,
    in arena: ScratchArena
  ) throws(ARMSError) {
    let width = head.imageWidth
    let pooled = try arena.allocate(Float.self, queries.count * width)
    for row in queries.indices {
      Self.pool(
        images.pooled[images.starts[row]..<images.starts[row + 1]], or: head.noImage, width: width,
        into: pooled + row * width)
    }
    input = HeadInput(
      count: queries.count, question: texts.pooled, image: pooled, imageStarts: images.starts,
      imageTokens: images.tokens, tokensPerImage: tokensPerImage, noImageTokens: head.noImageTokens)
    self.queries = queries
  }

  /// `g`: the mean over the images, or the learned vector.
  private static func pool(
    _ images: ArraySlice<UnsafePointer<Float>>, or learned: UnsafePointer<Float>, width: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    guard !images.isEmpty else { return out.update(from: learned, count: width) }
    out.update(repeating: 0, count: width)
    for image in images {
      for column in 0..<width { out[column] += image[column] }
    }
    for column in 0..<width { out[column] /= Float(images.count) }
  }

  /// The outcomes of the batch with their row.
  func forEachOutcome(_ body: (_ row: Int, _ outcome: EncodedOutcome) -> Void) {
    for (row, query) in queries.enumerated() {
      for outcome in query.outcomes { body(row, outcome) }
    }
  }
}
