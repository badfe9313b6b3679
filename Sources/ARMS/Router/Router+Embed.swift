extension Router {
  /// The fused vector `z` of a query, `[r]`, of length 1: what candidates are compared with (Eq. 5).
  ///
  /// `number` is that of the network, 0, or 1 for the second router of a cascade's file.
  ///
  /// Throws `notFound` if there is no such network, and what the encodings throw.
  public func embed(_ query: Query, number: Int = 0) throws(ARMSError) -> [Float] {
    try counters.countingErrors { () throws(ARMSError) in
      try [query].withViews { (views) throws(ARMSError) in
        try engine.execute { (execution) throws(ARMSError) in
          var vector: UnsafeMutableBufferPointer<Float>?
          try embed(views, number: number, on: execution) {
            (width) throws(ARMSError) -> UnsafeMutablePointer<Float>? in
            let start = try execution.arena.allocate(Float.self, width)
            vector = UnsafeMutableBufferPointer(start: start, count: width)
            return start
          }
          return vector.map { Array($0) } ?? []
        }
      }
    }
  }

  /// The fused vector of the only query of `queries`, without taking memory but scratch.
  ///
  /// `body` is called with the width before anything is computed, and returns where the vector goes, or nil to
  /// stop. Throws as ``embed(_:number:)``.
  package func embed(
    _ queries: UnsafeBufferPointer<QueryView>, number: Int, on execution: Execution,
    into body: (_ width: Int) throws(ARMSError) -> UnsafeMutablePointer<Float>?
  ) throws(ARMSError) {
    let model = snapshots.load().model
    let network = try model.network(number, orThrow: .notFound)
    let width = network.head.classifier.sharedWidth
    guard let target = try body(width) else { return }
    var fusion = QueryFusion(queries, model: model, limits: limits, on: execution)
    let (fused, _) = try fusion.fuse(network)
    target.update(from: fused.vectors, count: width)
  }
}
