/// A text encoder of which the upper layers, all or none are trained.
struct TrainedText {
  /// On the trained parameters where it is trained, else on the model file.
  let encoder: TextEncoder
  /// Nil: it is frozen.
  let layers: TrainedLayers?
  /// What the frozen layers' results are kept under; nil: they cannot be told from another encoder's.
  let featureName: String?
  let prefix: RouterPrefix
}

/// An image encoder of which the upper layers, all or none are trained. As ``TrainedText``.
struct TrainedImage {
  let encoder: ImageEncoder
  let layers: TrainedLayers?
  let featureName: String?
  let prefix: RouterPrefix
  /// Whether the head reads tokens.
  let wantsTokens: Bool
  let limits: ImageLimits
}

extension TrainedText {
  /// What frozen layers make of a text: its pooled vector `[d_t]`, or the hidden states `[tokens, d_t]` that the
  /// lowest trained block reads.
  ///
  /// Texts run alone, so that the bits do not depend on what else is in a batch or kept from before.
  func features(_ tokens: [Int32], on engine: Engine) throws(ARMSError) -> AlignedBuffer {
    let rows = layers == nil ? 1 : tokens.count
    let buffer = try AlignedBuffer(Float.self, count: rows * encoder.width, purpose: "an encoded text")
    let out = buffer.pointer(to: Float.self)
    try engine.execute { (execution) throws(ARMSError) in
      let sequences = try Sequences(lengths: [tokens.count], in: execution.arena)
      let ids = try execution.arena.allocate(Int32.self, tokens.count)
      for (place, id) in tokens.enumerated() { ids[place] = id }
      if let layers {
        try encoder.encode(ids, sequences, below: layers, out: out, on: execution)
      } else {
        try encoder.encode(ids, sequences, out: out, on: execution)
      }
    }
    for index in 0..<rows * encoder.width where !out[index].isFinite {
      throw Router.damaged("the question's embedding")
    }
    return buffer
  }
}

extension TrainedImage {
  /// What is kept of an image: the prepared pixels if the embeddings are trained; the hidden states
  /// `[tokenCount, d_p]` that the lowest trained block reads; or of a frozen encoder `g` and, from ``ImageEncoder/featureOffset``
  /// on, `X`.
  ///
  /// Images run alone, so that the bits do not depend on what else is in a batch or kept from before.
  func features(_ pixels: AlignedBuffer, on engine: Engine) throws(ARMSError) -> AlignedBuffer {
    if layers?.includesEmbeddings == true { return pixels }
    let (tokenFloats, offset) = (encoder.tokenCount * encoder.patchWidth, encoder.featureOffset)
    let count = layers == nil ? offset + (wantsTokens ? tokenFloats : 0) : tokenFloats
    let buffer = try AlignedBuffer(Float.self, count: count, purpose: "an encoded image")
    let (out, source) = (buffer.pointer(to: Float.self), pixels.pointer(to: Float.self))
    try engine.execute { (execution) throws(ARMSError) in
      if let layers {
        try encoder.encode(source, below: layers, out: out, on: execution)
      } else {
        try encoder.encode(
          source, count: 1, pooled: out, tokens: wantsTokens ? out + offset : nil, on: execution)
      }
    }
    for index in 0..<count where !out[index].isFinite { throw Router.damaged("the image's embedding") }
    return buffer
  }
}

extension Sequences {
  /// Sequences of these lengths.
  init(lengths: [Int], in arena: ScratchArena) throws(ARMSError) {
    let starts = try arena.allocate(Int.self, lengths.count + 1)
    starts[0] = 0
    for (index, length) in lengths.enumerated() { starts[index + 1] = starts[index] + length }
    self.init(starts: UnsafePointer(starts), count: lengths.count)
  }
}
