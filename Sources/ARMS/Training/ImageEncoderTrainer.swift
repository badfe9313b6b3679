/// Computes the gradients of an image encoder's weights, on float32 copies of them. Not safe to share between
/// threads.
package final class ImageEncoderTrainer {
  /// What a batch of images was encoded to, and room for the gradients of that.
  package struct Encoded {
    /// `[images, d_v]`
    package let pooled: UnsafePointer<Float>
    /// `[images, tokens, d_p]`
    package let tokens: UnsafePointer<Float>
    /// As `pooled`, zeros at first.
    package let pooledGradient: UnsafeMutablePointer<Float>
    /// As `tokens`, zeros at first.
    package let tokenGradient: UnsafeMutablePointer<Float>
  }

  let router: Router
  /// Of its own: routing goes on beside it, and what training allocates goes with it.
  let engine: Engine
  let parameters: ParameterSet
  /// The encoder on the parameters.
  let encoder: ImageEncoder

  /// Floats of ``gradients``.
  package var gradientCount: Int { parameters.count }
  /// The gradients of all parameters in one buffer. Valid as long as the trainer.
  package var gradients: UnsafeMutablePointer<Float> { parameters.gradients }
  /// `d_v`
  package var width: Int { encoder.width }
  /// `d_p`
  package var patchWidth: Int { encoder.patchWidth }
  /// Tokens of an image, the class token included.
  package var tokenCount: Int { encoder.tokenCount }

  /// Makes a trainer for the image encoder of router `number`, 0 or 1.
  ///
  /// Throws `invalidArgument`, `unsupported` without OpenBLAS, `outOfMemory`.
  package init(_ router: Router, number: Int = 0) throws(ARMSError) {
    guard router.networks.indices.contains(number) else {
      throw ARMSError(.invalidArgument, "router is \(number); this file holds \(router.networks.count)")
    }
    guard let own = router.networks[number].image else {
      throw ARMSError(.invalidArgument, "router \(number) has no image encoder to train")
    }
    try BLAS.load()
    let isSecond = number == 1 && router.file.has("arms.second.vision.block_count")
    parameters = try ParameterSet(own.parameters)
    encoder = try ImageEncoder(
      ModelFile(keysOf: router.file, tensors: parameters.tensors), key: isSecond ? "arms.second." : "arms.",
      prefix: isSecond ? "second." : "")
    self.router = router
    engine = Engine(threads: router.engine.pool.threads)
  }

  /// Encodes prepared images, `[images, 3, imageSize, imageSize]`; asks `body` for the gradients of what the
  /// vectors and tokens are used for; and computes the gradients of all weights.
  ///
  /// With `accumulates` the gradients are added to those that are there. Throws `invalidArgument` if `pixels` is no
  /// whole number of images, and what `body` throws.
  package func computeGradients(
    _ pixels: UnsafeBufferPointer<Float>, accumulates: Bool = false,
    from body: (Encoded) throws(ARMSError) -> Void
  ) throws(ARMSError) {
    let count = pixels.count / encoder.pixelCount
    guard let start = pixels.baseAddress, count > 0, count * encoder.pixelCount == pixels.count else {
      throw ARMSError(
        .invalidArgument,
        "the images have \(pixels.count) floats; a multiple of \(encoder.pixelCount) is wanted")
    }
    try engine.execute { (execution) throws(ARMSError) in
      let arena = execution.arena
      let kept = try ImageEncoder.Kept(encoder, count: count, in: arena)
      let (pooledCount, tokenFloats) = (count * width, count * tokenCount * patchWidth)
      let pooled = try arena.allocate(Float.self, pooledCount)
      let tokens = try arena.allocate(Float.self, tokenFloats)
      let encoded = Encoded(
        pooled: pooled, tokens: tokens, pooledGradient: try arena.allocate(Float.self, pooledCount),
        tokenGradient: try arena.allocate(Float.self, tokenFloats))
      encoded.pooledGradient.update(repeating: 0, count: pooledCount)
      encoded.tokenGradient.update(repeating: 0, count: tokenFloats)
      try encoder.forward(start, keeping: kept, pooled: pooled, tokens: tokens, on: execution)
      try body(encoded)
      try encoder.backward(
        kept: kept, tokens: tokens, pooledGradient: encoded.pooledGradient,
        tokenGradient: encoded.tokenGradient,
        into: Gradients(of: parameters, accumulates: accumulates), on: execution)
    }
  }
}
