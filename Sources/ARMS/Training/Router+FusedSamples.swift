extension Router {
  /// Samples that run through the network together.
  private static let samplesPerPass = 32

  /// Calls `body` with each of `samples`, and its normalised vector `z`, `[r]`, behind the head of network
  /// `number` of `model`.
  ///
  /// Throws as `score`, naming the sample whose image or question cannot be read.
  func forEachFused(
    _ samples: [Sample], of model: RouterModel, number: Int,
    _ body: (_ sample: Sample, _ vector: UnsafePointer<Float>) throws(ARMSError) -> Void
  ) throws(ARMSError) {
    let network = model.networks[number]
    let width = network.head.classifier.sharedWidth
    for start in stride(from: 0, to: samples.count, by: Self.samplesPerPass) {
      let pass = samples[start..<min(start + Self.samplesPerPass, samples.count)]
      let queries = pass.map { Query(question: $0.question, images: $0.images.map(\.input)) }
      try queries.withViews { (views) throws(ARMSError) in
        try engine.execute { (execution) throws(ARMSError) in
          var fusion = QueryFusion(views, model: model, limits: limits, on: execution)
          let (fused, _) = try fusion.fuse(network)
          for (row, sample) in pass.enumerated() { try body(sample, fused.vectors + row * width) }
        }
      }
      extendLifetime(pass)
    }
  }
}
