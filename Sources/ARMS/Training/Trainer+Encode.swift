/// A text of a pass: a question, or a candidate's profile.
struct TrainingText {
  /// [CLS] and [SEP] included.
  let tokens: [Int32]
  /// Begins messages.
  let label: String
}

/// Texts of one pass behind the encoder.
struct TextPass {
  /// `[texts, d_t]`
  let pooled: UnsafeMutablePointer<Float>
  /// What the backward pass reads; nil if the encoder is frozen.
  let kept: TextEncoder.Kept?
}

/// The images of the queries of one pass behind the encoder.
struct ImagePass {
  /// `[queries + 1]`
  let starts: UnsafePointer<Int>
  /// `[images]`, each `[d_v]`.
  let pooled: [UnsafePointer<Float>]
  /// `[images]`, each `[tokenCount, d_p]`; nil if nobody reads them.
  let tokens: UnsafePointer<UnsafePointer<Float>>?
  /// `[images, tokenCount, d_p]`, the same; nil if the encoder is frozen, like the next.
  let trainedTokens: UnsafeMutablePointer<Float>?
  let kept: ImageEncoder.Kept?
  /// What the pointers lead into.
  let owners: [AlignedBuffer]

  var count: Int { pooled.count }
}

extension Trainer {
  /// Encodes texts, keeping what the backward pass reads.
  func encode(
    _ texts: [TrainingText], cache: FeatureCache, on execution: Execution
  ) throws(ARMSError) -> TextPass {
    let (arena, width) = (execution.arena, text.encoder.width)
    let pooled = try arena.allocate(Float.self, texts.count * width)
    guard let layers = text.layers else {
      for (row, one) in texts.enumerated() {
        let features = try features(of: one, cache: cache)
        (pooled + row * width).update(from: features.pointer(to: Float.self), count: width)
      }
      return TextPass(pooled: pooled, kept: nil)
    }
    let tokens = texts.map(\.tokens)
    let sequences = try Sequences(lengths: tokens.map(\.count), in: arena)
    let ids = try arena.allocate(Int32.self, sequences.rows)
    for (row, one) in tokens.enumerated() {
      for (place, id) in one.enumerated() { ids[sequences.starts[row] + place] = id }
    }
    let kept = try TextEncoder.Kept(text.encoder, layers, ids, sequences, in: arena)
    if !layers.includesEmbeddings {
      for (row, one) in texts.enumerated() {
        let features = try features(of: one, cache: cache)
        (kept.input + sequences.starts[row] * width).update(
          from: features.pointer(to: Float.self), count: tokens[row].count * width)
      }
    }
    try text.encoder.forward(keeping: kept, out: pooled, on: execution)
    return TextPass(pooled: pooled, kept: kept)
  }

  /// What the frozen layers make of a text, from the cache if it is there.
  func features(of one: TrainingText, cache: FeatureCache) throws(ARMSError) -> AlignedBuffer {
    let key = FeatureCache.Key(layers: text.featureName ?? "text", item: .text(one.tokens))
    if let known = cache[key] { return known }
    let buffer = try naming(one.label) { () throws(ARMSError) in
      try text.features(one.tokens, on: engine)
    }
    cache.keep(buffer, for: key, limit: options.cacheBytes)
    return buffer
  }

  /// Encodes the images of queries, keeping what the backward pass reads.
  func encodeImages(
    of queries: [TrainingQuery], cache: FeatureCache, on execution: Execution
  ) throws(ARMSError) -> ImagePass {
    let arena = execution.arena
    guard let image else {
      let starts = try Sequences(lengths: queries.map { _ in 0 }, in: arena).starts
      return ImagePass(
        starts: starts, pooled: [], tokens: nil, trainedTokens: nil, kept: nil, owners: [])
    }
    let encoder = image.encoder
    let starts = try Sequences(lengths: queries.map(\.images.count), in: arena).starts
    let features = try features(of: queries, image, cache: cache)
    let count = features.count
    let tokens = try arena.allocate(UnsafePointer<Float>.self, image.wantsTokens ? count : 0)
    let sources = features.map { UnsafePointer($0.pointer(to: Float.self)) }
    guard let layers = image.layers, count > 0 else {
      if image.wantsTokens {
        for (number, source) in sources.enumerated() { tokens[number] = source + encoder.featureOffset }
      }
      return ImagePass(
        starts: starts, pooled: sources, tokens: image.wantsTokens ? UnsafePointer(tokens) : nil,
        trainedTokens: nil, kept: nil, owners: features)
    }
    let tokenFloats = encoder.tokenCount * encoder.patchWidth
    let kept = try ImageEncoder.Kept(encoder, layers, count: count, in: arena)
    let pooled = try arena.allocate(Float.self, count * encoder.width)
    let encoded = try arena.allocate(Float.self, count * tokenFloats)
    if !layers.includesEmbeddings {
      for (number, source) in sources.enumerated() {
        (kept.input + number * tokenFloats).update(from: source, count: tokenFloats)
      }
    }
    try encoder.forward(sources, keeping: kept, pooled: pooled, tokens: encoded, on: execution)
    if image.wantsTokens {
      for number in 0..<count { tokens[number] = UnsafePointer(encoded + number * tokenFloats) }
    }
    return ImagePass(
      starts: starts, pooled: (0..<count).map { UnsafePointer(pooled + $0 * encoder.width) },
      tokens: image.wantsTokens ? UnsafePointer(tokens) : nil, trainedTokens: encoded, kept: kept,
      owners: features)
  }

  /// What is kept of each image, one query after the other. What is not kept yet is decoded, on all threads.
  private func features(
    of queries: [TrainingQuery], _ image: TrainedImage, cache: FeatureCache
  ) throws(ARMSError) -> [AlignedBuffer] {
    var found: [AlignedBuffer?] = []
    var missing: [MissingImage] = []
    var places: [ObjectIdentifier: Int] = [:]
    /// For each image that was not found, its number among the missing.
    var numbers: [Int: Int] = [:]
    for query in queries {
      for (number, source) in query.images.enumerated() {
        let item = ObjectIdentifier(source)
        let key = FeatureCache.Key(layers: image.featureName ?? "image", item: .image(item))
        let version = source.fileVersion
        let known = cache[key, version: version]
        if known == nil {
          if places[item] == nil {
            places[item] = missing.count
            missing.append(
              MissingImage(
                source: source, key: key, version: version,
                label: "samples[\(query.number)].images[\(number)]",
                pixels: try AlignedBuffer(
                  Float.self, count: image.encoder.pixelCount, purpose: "a prepared image")))
          }
          numbers[found.count] = places[item]
        }
        found.append(known)
      }
    }
    guard !missing.isEmpty else { return found.compactMap { $0 } }
    let preparation = PrepareImages(
      images: missing, preprocessor: image.encoder.preprocessor, limits: image.limits, scratch: engine.scratch
    )
    engine.pool.run(preparation, count: missing.count)
    var made: [AlignedBuffer] = []
    for one in missing {
      let buffer = try naming(one.label) { () throws(ARMSError) in
        if let failure = one.failure { throw failure }
        return try image.features(one.pixels, on: engine)
      }
      cache.keep(buffer, for: one.key, version: one.version, limit: options.cacheBytes)
      made.append(buffer)
    }
    return found.indices.compactMap { place in found[place] ?? numbers[place].map { made[$0] } }
  }
}

/// An image that has to be decoded.
private final class MissingImage: @unchecked Sendable {
  // `failure` and the pixels are written by the one worker that has the image. That is why @unchecked holds.
  let source: Sample.Image
  let key: FeatureCache.Key
  let version: FileVersion?
  let label: String
  let pixels: AlignedBuffer
  var failure: ARMSError?

  init(
    source: Sample.Image, key: FeatureCache.Key, version: FileVersion?, label: String, pixels: AlignedBuffer
  ) {
    self.source = source
    self.key = key
    self.version = version
    self.label = label
    self.pixels = pixels
  }
}

/// One image a piece.
private struct PrepareImages: ParallelTask {
  let images: [MissingImage]
  let preprocessor: ImagePreprocessor
  let limits: ImageLimits
  let scratch: ScratchPool

  func run(_ index: Int, worker: Int) {
    let image = images[index]
    do throws(ARMSError) {
      try scratch.withArena { (arena) throws(ARMSError) in
        try preprocessor.prepare(
          image.source.input, limits: limits, into: image.pixels.pointer(to: Float.self), in: arena)
      }
      extendLifetime(image.source)
    } catch {
      image.failure = error
    }
  }
}
