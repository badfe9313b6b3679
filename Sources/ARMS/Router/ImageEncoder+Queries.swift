/// An image of a query that is not encoded yet.
private struct FreshImage {
  let image: UnsafePointer<Query.Image>
  /// Its query's place in the pass.
  let query: Int
  /// Its number among the images of its query.
  let number: Int
  /// Its place among all images of the queries.
  let place: Int
}

extension ImageEncoder {
  /// Images that run through the encoder together: their activations still fit the cache.
  private static let imagesPerPass = 8

  /// Prepares and encodes the images that are not encoded yet, and collects all. Tokens only if `wantTokens`.
  func encode(
    _ pass: QueryPass, wantTokens: Bool, limits: ImageLimits, on execution: Execution
  ) throws(ARMSError) -> EncodedImages {
    let (arena, queries) = (execution.arena, pass.queries)
    let starts = try arena.allocate(Int.self, queries.count + 1)
    starts[0] = 0
    for (place, query) in queries.enumerated() { starts[place + 1] = starts[place] + query.images.count }
    let total = starts[queries.count]
    let pooled = try arena.allocate(Float.self, total * width)
    let tokens = try arena.allocate(UnsafePointer<Float>.self, wantTokens ? total : 0)
    let fresh = try arena.allocate(FreshImage.self, total)
    var freshCount = 0
    for (index, query) in queries.enumerated() {
      guard let images = query.images.baseAddress else { continue }
      for number in 0..<query.images.count {
        let place = starts[index] + number
        guard case .encoded(let encoded) = images[number] else {
          fresh[freshCount] = FreshImage(image: images + number, query: index, number: number, place: place)
          freshCount += 1
          continue
        }
        try pass.naming(index, image: number) { () throws(ARMSError) in
          try collect(encoded, wantTokens: wantTokens, pooled: pooled + place * width, tokens: tokens + place)
        }
      }
    }
    try encodeFresh(
      UnsafeBufferPointer(start: fresh, count: freshCount), of: pass, wantTokens: wantTokens, limits: limits,
      pooled: pooled, tokens: tokens, on: execution)
    return EncodedImages(
      queries: queries.count, width: width, starts: UnsafePointer(starts), each: UnsafePointer(pooled),
      tokens: wantTokens ? UnsafePointer(tokens) : nil,
      means: try arena.allocate(Float.self, queries.count * width))
  }

  private func encodeFresh(
    _ fresh: UnsafeBufferPointer<FreshImage>, of pass: QueryPass, wantTokens: Bool, limits: ImageLimits,
    pooled: UnsafeMutablePointer<Float>, tokens: UnsafeMutablePointer<UnsafePointer<Float>>,
    on execution: Execution
  ) throws(ARMSError) {
    let arena = execution.arena
    let tokenFloats = tokenCount * patchWidth
    let most = min(Self.imagesPerPass, fresh.count)
    let pixels = try arena.allocate(Float.self, most * pixelCount)
    let passPooled = try arena.allocate(Float.self, most * width)
    for start in stride(from: 0, to: fresh.count, by: Self.imagesPerPass) {
      let count = min(Self.imagesPerPass, fresh.count - start)
      let passTokens = wantTokens ? try arena.allocate(Float.self, count * tokenFloats) : nil
      for (index, one) in fresh[start..<start + count].enumerated() {
        guard case .input(let input) = one.image.pointee else { continue }
        try pass.naming(one.query, image: one.number) { () throws(ARMSError) in
          try execution.counters.measure(.decode) { () throws(ARMSError) in
            try arena.scoped { () throws(ARMSError) in
              try preprocessor.prepare(input, limits: limits, into: pixels + index * pixelCount, in: arena)
            }
          }
        }
      }
      try execution.counters.measure(.image) { () throws(ARMSError) in
        try encode(pixels, count: count, pooled: passPooled, tokens: passTokens, on: execution)
      }
      for index in 0..<count {
        let place = fresh[start + index].place
        (pooled + place * width).update(from: passPooled + index * width, count: width)
        if let passTokens { tokens[place] = UnsafePointer(passTokens + index * tokenFloats) }
      }
    }
  }

  private func collect(
    _ image: EncodedImage, wantTokens: Bool, pooled: UnsafeMutablePointer<Float>,
    tokens: UnsafeMutablePointer<UnsafePointer<Float>>
  ) throws(ARMSError) {
    guard let encoding = image.encoding(of: self) else {
      throw ARMSError(
        .invalidArgument, "the encoded image was made by another image encoder; encode it with this router")
    }
    for (column, value) in encoding.embedding.enumerated() { pooled[column] = value }
    guard wantTokens else { return }
    guard let buffer = encoding.tokens else {
      throw ARMSError(
        .invalidArgument,
        "the encoded image has no tokens, which this router's fusion reads; encode it with this router")
    }
    tokens.pointee = UnsafePointer(buffer.pointer(to: Float.self))
  }
}
