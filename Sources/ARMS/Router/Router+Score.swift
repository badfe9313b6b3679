extension Router {
  /// What ``score(_:candidates:output:into:)`` writes.
  public enum ScoreOutput: Sendable {
    /// `c_ij`, calibrated.
    case confidence
    /// `t_ij`
    case logit
  }

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
    guard let target = try body(columns.count) else { return snapshot.generation }
    let count = queries.count * columns.count
    let buffer = try AlignedBuffer(Float.self, count: count, purpose: "\(count) scores")
    let scores = buffer.pointer(to: Float.self)
    for start in stride(from: 0, to: queries.count, by: Self.queriesPerPass) {
      let pass = queries[start..<min(start + Self.queriesPerPass, queries.count)]
      try engine.execute { (execution) throws(ARMSError) in
        try score(
          pass, snapshot, columns, output: output, into: scores + start * columns.count, on: execution)
      }
    }
    target.update(from: scores, count: count)
    extendLifetime(buffer)
    return snapshot.generation
  }

  private func score(
    _ queries: ArraySlice<Query>, _ snapshot: CandidateSnapshot, _ columns: [(pool: Int, index: Int)],
    output: ScoreOutput, into scores: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    var fusion = QueryFusion(queries, router: self, on: execution)
    for (number, pool) in snapshot.pools.enumerated() where columns.contains(where: { $0.pool == number }) {
      let network = networks[number]
      let (fused, _) = try fusion.fuse(network)
      let logits = try execution.arena.allocate(Float.self, pool.count)
      for row in 0..<queries.count {
        try pool.logits(
          of: fused.vectors + row * pool.keyWidth, classifier: network.head.classifier, out: logits,
          on: execution)
        for (column, place) in columns.enumerated() where place.pool == number {
          let logit = logits[place.index]
          scores[row * columns.count + column] =
            output == .logit ? logit : pool.candidates[place.index].confidence(logit: logit)
        }
      }
    }
  }
}

extension CandidateSnapshot {
  /// The places of the named candidates, or of all enabled ones. Throws `notFound`, `noCandidates`.
  fileprivate func columns(_ names: [String]?) throws(ARMSError) -> [(pool: Int, index: Int)] {
    var columns: [(pool: Int, index: Int)] = []
    if let names {
      for name in names { columns.append(try place(of: name)) }
    } else {
      for (number, pool) in pools.enumerated() {
        for (index, candidate) in pool.candidates.enumerated() where candidate.isEnabled {
          columns.append((number, index))
        }
      }
    }
    guard !columns.isEmpty else {
      throw ARMSError(.noCandidates, "there is no candidate to score; add or enable one")
    }
    return columns
  }
}
