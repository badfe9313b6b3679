/// Samples as the head reads them, in the memory of one pass.
struct TrainingBatch {
  let input: HeadInput
  let samples: [EncodedSample]
  let places: ArraySlice<Int>

  /// Gathers the samples at `places`. Images are read where they are; `head` gives what stands for none.
  init(
    _ samples: [EncodedSample], at places: ArraySlice<Int>, network: RouterNetwork, head: Head,
    in arena: ScratchArena
  ) throws(ARMSError) {
    let count = places.count
    let (questionWidth, imageWidth) = (head.questionWidth, head.imageWidth)
    let question = try arena.allocate(Float.self, count * questionWidth)
    let pooled = try arena.allocate(Float.self, count * imageWidth)
    let starts = try arena.allocate(Int.self, count + 1)
    let total = places.reduce(0) { $0 + samples[$1].images.count }
    let tokens = try arena.allocate(UnsafePointer<Float>.self, total)
    starts[0] = 0
    for (row, place) in places.enumerated() {
      let sample = samples[place]
      // Both are there: the samples were validated against this network.
      sample.question.encoding(of: network.text)?.embedding.withUnsafeBufferPointer { source in
        if let start = source.baseAddress {
          (question + row * questionWidth).update(from: start, count: questionWidth)
        }
      }
      let images = network.encodings(of: sample.images)
      Self.pool(images, or: head.noImage, width: imageWidth, into: pooled + row * imageWidth)
      for (number, image) in images.enumerated() {
        if let buffer = image.tokens {
          tokens[starts[row] + number] = UnsafePointer(buffer.pointer(to: Float.self))
        }
      }
      starts[row + 1] = starts[row] + images.count
    }
    let readsTokens = head.fusion == .patches
    input = HeadInput(
      count: count, question: question, image: pooled, imageStarts: UnsafePointer(starts),
      imageTokens: readsTokens ? UnsafePointer(tokens) : nil, tokensPerImage: network.image?.tokenCount ?? 0,
      noImageTokens: head.noImageTokens)
    self.samples = samples
    self.places = places
  }

  /// `g`: the mean over the images, or the learned vector.
  private static func pool(
    _ images: [EncodedImage.Encoding], or learned: UnsafePointer<Float>, width: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    guard !images.isEmpty else { return out.update(from: learned, count: width) }
    out.update(repeating: 0, count: width)
    for image in images {
      image.embedding.withUnsafeBufferPointer { values in
        for column in 0..<width { out[column] += values[column] }
      }
    }
    for column in 0..<width { out[column] /= Float(images.count) }
  }

  /// The outcomes of the batch with their row.
  func forEachOutcome(_ body: (_ row: Int, _ outcome: EncodedOutcome) -> Void) {
    for (row, place) in places.enumerated() {
      for outcome in samples[place].outcomes { body(row, outcome) }
    }
  }
}
