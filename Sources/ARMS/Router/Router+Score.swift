extension Router {
  /// Queries that run through the networks together.
  private static let queriesPerPass = 32

  /// Scores every query against every candidate.
  ///
  /// `body` is called once with the number of columns, before anything is computed, and returns where the
  /// scores go: `[queries, columns]` floats, or nil to stop. Columns are the candidates named, or all enabled
  /// ones in the order of ``candidates``. Returns the generation of the candidates. Nothing is written there
  /// before all scores are computed.
  ///
  /// Throws as `route`.
  @discardableResult
  public func score(
    _ queries: [Query], candidates names: [String]? = nil, output: ScoreOutput = .confidence,
    into body: (_ columns: Int) throws(ARMSError) -> UnsafeMutablePointer<Float>?
  ) throws(ARMSError) -> UInt64 {
    let snapshot = snapshots.load()
    let columns = try snapshot.columns(names)
    let columnCount = columns?.count ?? snapshot.count
    guard columnCount > 0 else {
      throw ARMSError(.noCandidates, "there is no candidate to score; add or enable one")
    }
    guard let target = try body(columnCount) else { return snapshot.generation }
    let count = queries.count * columnCount
    let buffer = try AlignedBuffer(Float.self, count: count, purpose: "\(count) scores")
    let scores = buffer.pointer(to: Float.self)
    for start in stride(from: 0, to: queries.count, by: Self.queriesPerPass) {
      let pass = queries[start..<min(start + Self.queriesPerPass, queries.count)]
      try engine.execute { (execution) throws(ARMSError) in
        let matrix = ScoreMatrix(scores: scores + start * columnCount, columns: columnCount, output: output)
        try score(pass, snapshot, columns, into: matrix, on: execution)
      }
    }
    target.update(from: scores, count: count)
    extendLifetime(buffer)
    return snapshot.generation
  }

  private func score(
    _ queries: ArraySlice<Query>, _ snapshot: CandidateSnapshot, _ columns: [CandidateSnapshot.Place]?,
    into target: ScoreMatrix, on execution: Execution
  ) throws(ARMSError) {
    var fusion = QueryFusion(queries, router: self, on: execution)
    var firstColumn = 0
    for (number, pool) in snapshot.pools.enumerated() {
      let isWanted = columns?.contains { $0.pool == number } ?? (pool.count > 0)
      guard isWanted else { continue }
      let (fused, _) = try fusion.fuse(networks[number])
      let scratch = columns == nil ? nil : try execution.arena.allocate(Float.self, pool.count)
      for row in 0..<queries.count {
        let line = target.scores + row * target.columns
        // Without a choice of columns a pool's candidates follow one another in the line.
        let out = scratch ?? line + firstColumn
        try pool.score(
          fused.vectors + row * pool.keyWidth, classifier: networks[number].head.classifier,
          output: target.output, out: out, on: execution)
        for (column, place) in (columns ?? []).enumerated() where place.pool == number {
          line[column] = out[place.index]
        }
      }
      firstColumn += pool.count
    }
  }
}

/// Where scores go: `[queries, columns]`.
private struct ScoreMatrix {
  let scores: UnsafeMutablePointer<Float>
  let columns: Int
  let output: ScoreOutput
}

extension CandidateSnapshot {
  /// The places of the named candidates, or of the enabled ones; nil if these are all. Throws `notFound`.
  fileprivate func columns(_ names: [String]?) throws(ARMSError) -> [Place]? {
    if let names { return try names.map { (name) throws(ARMSError) in try place(of: name) } }
    if pools.allSatisfy(\.numbers.allEnabled) { return nil }
    var columns: [Place] = []
    for (number, pool) in pools.enumerated() {
      for (index, candidate) in pool.candidates.enumerated() where candidate.isEnabled {
        columns.append((number, index))
      }
    }
    return columns
  }
}
