/// Computes the gradients of a text encoder's weights, on float32 copies of them. Not safe to share between
/// threads.
package final class TextEncoderTrainer {
  let router: Router
  /// Of its own: routing goes on beside it, and what training allocates goes with it.
  let engine: Engine
  let parameters: ParameterSet
  /// The encoder on the parameters.
  let encoder: TextEncoder

  /// Floats of ``gradients``.
  package var gradientCount: Int { parameters.count }
  /// The gradients of all parameters in one buffer. Valid as long as the trainer.
  package var gradients: UnsafeMutablePointer<Float> { parameters.gradients }
  /// `d_t`
  package var width: Int { encoder.width }

  /// Makes a trainer for the text encoder of router `number`, 0 or 1.
  ///
  /// Throws `invalidArgument`, `unsupported` without OpenBLAS, `outOfMemory`.
  package init(_ router: Router, number: Int = 0) throws(ARMSError) {
    guard router.networks.indices.contains(number) else {
      throw ARMSError(.invalidArgument, "router is \(number); this file holds \(router.networks.count)")
    }
    try BLAS.load()
    let isSecond = number == 1 && router.file.has("arms.second.text.block_count")
    parameters = try ParameterSet(router.networks[number].text.parameters)
    encoder = try TextEncoder(
      ModelFile(keysOf: router.file, tensors: parameters.tensors), key: isSecond ? "arms.second." : "arms.",
      prefix: isSecond ? "second." : "")
    self.router = router
    engine = Engine(threads: router.engine.pool.threads)
  }

  /// Encodes texts, each as its token ids, [CLS] and [SEP] included; asks `body` for the gradient of what the
  /// pooled vectors are used for; and computes the gradients of all weights.
  ///
  /// `body` reads the pooled vectors, `[texts, width]`, and writes their gradient, of the same shape. With
  /// `accumulates` the gradients are added to those that are there. Throws `invalidArgument` or `limitExceeded`,
  /// naming the text, and what `body` throws.
  package func computeGradients(
    _ texts: [[Int32]], accumulates: Bool = false,
    from body: (_ pooled: UnsafePointer<Float>, _ gradient: UnsafeMutablePointer<Float>) throws(ARMSError) ->
      Void
  ) throws(ARMSError) {
    guard !texts.isEmpty else {
      throw ARMSError(.invalidArgument, "there is no text; one at least is wanted")
    }
    try engine.execute { (execution) throws(ARMSError) in
      let arena = execution.arena
      let (ids, sequences) = try gather(texts, in: arena)
      let kept = try TextEncoder.Kept(encoder, ids, sequences, in: arena)
      let pooled = try arena.allocate(Float.self, texts.count * width)
      let gradient = try arena.allocate(Float.self, texts.count * width)
      try encoder.forward(keeping: kept, out: pooled, on: execution)
      try body(pooled, gradient)
      try encoder.backward(
        kept: kept, dy: gradient, into: Gradients(of: parameters, accumulates: accumulates), on: execution)
    }
  }

  /// The texts one after the other, checked.
  private func gather(
    _ texts: [[Int32]], in arena: ScratchArena
  ) throws(ARMSError) -> (UnsafePointer<Int32>, Sequences) {
    let starts = try arena.allocate(Int.self, texts.count + 1)
    starts[0] = 0
    for (number, text) in texts.enumerated() {
      guard (1...encoder.contextLength).contains(text.count) else {
        throw ARMSError(
          .limitExceeded,
          "text \(number) has \(text.count) token ids; 1 to \(encoder.contextLength) are wanted")
      }
      starts[number + 1] = starts[number] + text.count
    }
    let ids = try arena.allocate(Int32.self, starts[texts.count])
    for (number, text) in texts.enumerated() {
      for (place, id) in text.enumerated() {
        guard id >= 0, Int(id) < encoder.tokens.rows else {
          throw ARMSError(
            .invalidArgument,
            "text \(number): token id \(id) at \(place) is not in the vocabulary of \(encoder.tokens.rows)")
        }
        ids[starts[number] + place] = id
      }
    }
    return (UnsafePointer(ids), Sequences(starts: UnsafePointer(starts), count: texts.count))
  }
}
