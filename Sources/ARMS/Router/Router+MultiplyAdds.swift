/// The arithmetic of one query, in multiply-adds: what a benchmark divides the hardware's rate by.
package struct MultiplyAdds: Sendable, Equatable {
  /// The whole text encoder, all tokens of its last block included.
  package let text: Int
  /// The whole image encoder, for one image; 0 if there is none.
  package let image: Int
}

extension Router {
  /// The multiply-adds of the first router's two encoders for one question of `tokens` tokens and one image.
  ///
  /// Matrix products and attention; what the engine leaves out because nobody reads it is counted. Throws
  /// `invalidModel`.
  package func multiplyAdds(tokens: Int) throws(ARMSError) -> MultiplyAdds {
    let model = snapshots.load().model
    let text = try TransformerConfiguration(model.file, prefix: "arms.text")
    guard let image = model.networks[0].image else {
      return MultiplyAdds(text: text.multiplyAdds(rows: tokens), image: 0)
    }
    let vision = try TransformerConfiguration(model.file, prefix: "arms.vision")
    let patches = (image.tokenCount - 1) * 3 * image.patchSize * image.patchSize * image.patchWidth
    return MultiplyAdds(
      text: text.multiplyAdds(rows: tokens),
      image: patches + vision.multiplyAdds(rows: image.tokenCount) + image.patchWidth * image.width)
  }
}

extension TransformerConfiguration {
  /// A block multiplies each row with four `[d, d]` and two `[d, f]` matrices, and with every row's key and value.
  fileprivate func multiplyAdds(rows: Int) -> Int {
    blockCount * rows * (4 * width * width + 2 * width * feedForward + 2 * rows * width)
  }
}
