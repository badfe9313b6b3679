extension Router {
  /// Samples that run through the network together.
  private static let samplesPerPass = 32

  /// Calls `body` with each of a data set's `samples` that is wanted, and its normalised vector `z`, `[r]`, behind the
  /// head of network `number` of `model`.
  ///
  /// Throws as `score`, naming the sample whose image or question cannot be read.
  func forEachFused(
    _ samples: [Sample], of model: RouterModel, number: Int, where isWanted: (Sample) -> Bool,
    _ body: (_ sample: Sample, _ vector: UnsafePointer<Float>) throws(ARMSError) -> Void
  ) throws(ARMSError) {
    let wanted = samples.indices.filter { isWanted(samples[$0]) }
    for pass in wanted[...].passes(of: Self.samplesPerPass) {
      do throws(ARMSError) {
        try fuse(pass.map { samples[$0] }, of: model, number: number, body)
      } catch let failure {
        // A pass does not know whose input it was that failed: alone it is known.
        for place in pass {
          try naming("samples[\(place)]") { () throws(ARMSError) in
            try fuse([samples[place]], of: model, number: number) { _, _ in }
          }
        }
        throw failure
      }
    }
  }

  /// Runs one pass.
  private func fuse(
    _ pass: [Sample], of model: RouterModel, number: Int,
    _ body: (_ sample: Sample, _ vector: UnsafePointer<Float>) throws(ARMSError) -> Void
  ) throws(ARMSError) {
    let network = model.networks[number]
    let width = network.head.classifier.sharedWidth
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
