extension Router {
  /// Queries that run through the networks together.
  private static let queriesPerPass = 32
  /// The most scores that are held in scratch memory, which is kept for the next calls.
  private static let keptScores = 1 << 18

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
    try counters.countingErrors { () throws(ARMSError) in
      try queries.withViews { (views) throws(ARMSError) in
        try engine.execute { (execution) throws(ARMSError) in
          let names = try names.map { (names) throws(ARMSError) in try execution.arena.names(names) }
          return try score(views, candidates: names, output: output, on: execution, into: body)
        }
      }
    }
  }

  /// Scores every query against every candidate, without taking memory but scratch.
  ///
  /// As ``score(_:candidates:output:into:)``.
  package func score(
    _ queries: UnsafeBufferPointer<QueryView>, candidates names: UnsafeBufferPointer<NameBytes>?,
    output: ScoreOutput, on execution: Execution,
    into body: (_ columns: Int) throws(ARMSError) -> UnsafeMutablePointer<Float>?
  ) throws(ARMSError) -> UInt64 {
    let snapshot = snapshots.load()
    let columns = try snapshot.columns(names, in: execution.arena)
    let columnCount = columns?.count ?? snapshot.count
    guard columnCount > 0 else {
      throw ARMSError(
        .noCandidates,
        names == nil
          ? "there is no candidate to score; add or enable one"
          : "the list of names to score is empty; name one, or leave the list out for all")
    }
    guard let target = try body(columnCount) else { return snapshot.generation }
    let count = queries.count * columnCount
    let buffer =
      count > Self.keptScores ? try AlignedBuffer(Float.self, count: count, purpose: "\(count) scores") : nil
    let scores =
      if let buffer { buffer.pointer(to: Float.self) } else {
        try execution.arena.allocate(Float.self, count)
      }
    for start in stride(from: 0, to: queries.count, by: Self.queriesPerPass) {
      let part = UnsafeBufferPointer(
        rebasing: queries[start..<min(start + Self.queriesPerPass, queries.count)])
      let pass = QueryPass(part, from: start, of: queries.count)
      // With scratch memory of its own, so that a pass uses that of the one before.
      try engine.execute { (execution) throws(ARMSError) in
        let matrix = ScoreMatrix(scores: scores + start * columnCount, columns: columnCount, output: output)
        try score(pass, snapshot, columns, into: matrix, on: execution)
      }
    }
    target.update(from: scores, count: count)
    extendLifetime(buffer)
    counters.add(.scores)
    counters.add(.scoredQueries, queries.count)
    countReused(queries)
    return snapshot.generation
  }

  private func score(
    _ pass: QueryPass, _ snapshot: RouterSnapshot, _ columns: Columns?,
    into target: ScoreMatrix, on execution: Execution
  ) throws(ARMSError) {
    var fusion = QueryFusion(pass, model: snapshot.model, limits: limits, on: execution)
    var firstColumn = 0
    for (number, pool) in snapshot.pools.enumerated() {
      let isWanted = columns?.contains { $0.pool == number } ?? (pool.count > 0)
      guard isWanted else { continue }
      let network = snapshot.model.networks[number]
      let (fused, _) = try fusion.fuse(network)
      let scratch = columns == nil ? nil : try execution.arena.allocate(Float.self, pool.count)
      for row in 0..<pass.queries.count {
        let line = target.scores + row * target.columns
        // Without a choice of columns a pool's candidates follow one another in the line.
        let out = scratch ?? line + firstColumn
        try pool.score(
          fused.vectors + row * pool.keyWidth, classifier: network.head.classifier,
          output: target.output, out: out, on: execution)
        guard let columns else { continue }
        for (column, place) in columns.enumerated() where place.pool == number {
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

/// The candidates that are scored, if not all.
private typealias Columns = UnsafeBufferPointer<RouterSnapshot.Place>

extension RouterSnapshot {
  /// The places of the named candidates, or of the enabled ones; nil if these are all. Throws `notFound`.
  fileprivate func columns(
    _ names: UnsafeBufferPointer<NameBytes>?, in arena: ScratchArena
  ) throws(ARMSError) -> Columns? {
    if names == nil, pools.allSatisfy(\.numbers.allEnabled) { return nil }
    let columns = try arena.allocate(Place.self, names?.count ?? count)
    if let names {
      for (column, name) in names.enumerated() {
        guard let place = place(of: name) else { throw notFound(String(decoding: name, as: UTF8.self)) }
        columns[column] = place
      }
      return Columns(start: columns, count: names.count)
    }
    var enabled = 0
    for (number, pool) in pools.enumerated() {
      for (index, candidate) in pool.candidates.enumerated() where candidate.isEnabled {
        columns[enabled] = (number, index)
        enabled += 1
      }
    }
    return Columns(start: columns, count: enabled)
  }
}
