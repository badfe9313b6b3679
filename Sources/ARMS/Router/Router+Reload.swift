extension Router {
  /// Replaces weights and candidates by those of the model file at `path`, as one new generation, which is
  /// returned. As ``replace(with:candidates:)``; the file is mapped or copied as the router's first one was.
  ///
  /// The file passes every check of opening one, and the new weights answer a query, before anybody else is
  /// answered by them: a file with damaged weights is found out here, and its pages are in memory when they are
  /// needed. A file in use must not be written to: write another and rename it, as ``save(to:)`` does.
  ///
  /// Throws as ``init(path:options:)``, and `invalidArgument` if a present candidate cannot be kept; the router is
  /// then as it was.
  @discardableResult
  public func reload(
    from path: String, candidates: ReplacedCandidates = .fromReplacement
  ) throws(ARMSError) -> UInt64 {
    try counters.countingErrors { () throws(ARMSError) in
      try replace(candidates) { () throws(ARMSError) in
        let snapshot = try RouterSnapshot(opening: path, copy: copiesFiles, on: engine)
        try snapshot.answerQuery(limits, on: engine)
        return snapshot
      }
    }
  }
}

extension RouterSnapshot {
  /// Sends a query with one grey image through every network. Throws `invalidModel` if no finite numbers come out.
  func answerQuery(_ limits: ImageLimits, on engine: Engine) throws(ARMSError) {
    do throws(ARMSError) {
      for (network, pool) in zip(model.networks, pools) {
        try engine.execute { (execution) throws(ARMSError) in
          var images: [ImageInput] = []
          if let count = network.image?.pixelCount {
            let pixels = try execution.arena.allocate(Float.self, count)
            pixels.update(repeating: 0, count: count)
            images.append(ImageInput(.prepared(UnsafeBufferPointer(start: pixels, count: count))))
          }
          try [Query(question: "", images: images)].withViews { (views) throws(ARMSError) in
            var fusion = QueryFusion(views, model: model, limits: limits, on: execution)
            let (fused, _) = try fusion.fuse(network)
            let scores = try execution.arena.allocate(Float.self, pool.count)
            try pool.score(
              fused.vectors, classifier: network.head.classifier, output: .confidence, out: scores,
              on: execution)
          }
        }
      }
    } catch {
      throw error.code == .notFinite ? model.file.invalid(error.message) : error
    }
  }
}
