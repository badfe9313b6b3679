extension Router {
  /// The candidates now, in the order in which they were added, the first router's before the second's.
  public var candidates: [Candidate] { snapshots.load().pools.flatMap(\.candidates) }

  /// The candidates, how often each was chosen since it was added, and the generation they are of.
  public var listing: (candidates: [Candidate], chosen: [UInt64], generation: UInt64) {
    let snapshot = snapshots.load()
    return (
      snapshot.pools.flatMap(\.candidates), snapshot.pools.flatMap { $0.choices.map(\.value) },
      snapshot.generation
    )
  }

  /// A candidate's profile sentence; empty if it was added by its embedding alone. Throws `notFound`.
  public func profile(ofCandidate name: String) throws(ARMSError) -> String {
    let snapshot = snapshots.load()
    let (pool, index) = try snapshot.place(of: name)
    return snapshot.pools[pool].candidates[index].profile
  }

  /// A candidate's profile embedding `m_j`, `[d_t]`. Throws `notFound`.
  public func embedding(ofCandidate name: String) throws(ARMSError) -> [Float] {
    let snapshot = snapshots.load()
    let (pool, index) = try snapshot.place(of: name)
    let width = snapshot.pools[pool].embeddingWidth
    return Array(UnsafeBufferPointer(start: snapshot.pools[pool].embeddings + index * width, count: width))
  }

  /// Adds candidates, all or none, as one generation.
  ///
  /// Throws `alreadyExists`, `notFinite`, `invalidArgument`, `limitExceeded`, `outOfMemory`.
  public func add(_ candidates: [Candidate]) throws(ARMSError) {
    guard !candidates.isEmpty else { return }
    // Embedding takes long; other writers need not wait for it.
    let model = snapshots.load().model
    let additions = try model.pools(of: candidates, on: engine)
    try snapshots.update { (snapshot) throws(ARMSError) in
      var names: Set<String> = []
      for candidate in candidates {
        guard snapshot.places[candidate.name] == nil, names.insert(candidate.name).inserted else {
          throw ARMSError(
            .alreadyExists,
            "there is a candidate \(quoted(candidate.name)) already; remove it first or choose another name")
        }
      }
      // Weights that were replaced meanwhile embed anew.
      let additions =
        snapshot.model === model ? additions : try snapshot.model.pools(of: candidates, on: engine)
      var pools = snapshot.pools
      for (number, addition) in additions.enumerated() {
        if let addition { pools[number] = try pools[number].appending(addition) }
      }
      return snapshot.next(pools)
    }
  }

  /// Removes the named candidates, all or none. Throws `notFound`.
  public func remove(_ names: [String]) throws(ARMSError) {
    guard !names.isEmpty else { return }
    try snapshots.update { (snapshot) throws(ARMSError) in
      var removed = snapshot.pools.map { _ in Set<Int>() }
      for name in names {
        let (pool, index) = try snapshot.place(of: name)
        removed[pool].insert(index)
      }
      var pools = snapshot.pools
      for (number, pool) in pools.enumerated() where !removed[number].isEmpty {
        pools[number] = try pool.keeping(pool.candidates.indices.filter { !removed[number].contains($0) })
      }
      return snapshot.next(pools)
    }
  }

  /// Enables or disables the named candidates, all or none. Throws `notFound`.
  public func enable(_ names: [String], _ isEnabled: Bool = true) throws(ARMSError) {
    try change(names) { $1.isEnabled = isEnabled }
  }

  /// Replaces what is known of the named candidates, all or none: cost, latency, calibration, largest number
  /// of images, whether enabled. Profile, embedding and learned weights stay, and so does what is in `kept`.
  ///
  /// To change a field, keep the others: what was read before may have been calibrated, or replaced with the
  /// weights, meanwhile.
  ///
  /// Throws `notFound`, `notFinite`, `invalidArgument`.
  public func update(_ candidates: [Candidate], keeping kept: CandidateFields = []) throws(ARMSError) {
    try update(candidates.map { ($0, kept) })
  }

  /// As ``update(_:keeping:)``, with fields for each that are kept.
  package func update(_ updates: [(candidate: Candidate, kept: CandidateFields)]) throws(ARMSError) {
    for (candidate, kept) in updates {
      // What is not replaced is not checked.
      var checked = Candidate(name: candidate.name, profile: "kept")
      checked.update(from: candidate, keeping: kept)
      try checked.validate(embeddingWidth: 0)
    }
    try change(updates.map(\.candidate.name)) { number, candidate in
      candidate.update(from: updates[number].candidate, keeping: updates[number].kept)
    }
  }

  /// Changes the named candidates, all or none, as one generation, or none if all are so already; `body` is given the
  /// number of the name.
  private func change(
    _ names: [String], _ body: (_ number: Int, _ candidate: inout Candidate) -> Void
  ) throws(ARMSError) {
    guard !names.isEmpty else { return }
    try snapshots.update { (snapshot) throws(ARMSError) in
      var changed = snapshot.pools.map(\.candidates)
      for (number, name) in names.enumerated() {
        let (pool, index) = try snapshot.place(of: name)
        body(number, &changed[pool][index])
      }
      if changed == snapshot.pools.map(\.candidates) { return snapshot }
      return snapshot.next(
        try zip(snapshot.pools, changed).map { (pool, candidates) throws(ARMSError) in
          try pool.replacing(candidates)
        })
    }
  }
}

extension RouterModel {
  /// New candidates in pools, one for each network; nil for none.
  fileprivate func pools(
    of candidates: [Candidate], on engine: Engine
  ) throws(ARMSError) -> [CandidatePool?] {
    for candidate in candidates { try validate(candidate) }
    return try networks.enumerated().map { (number, network) throws(ARMSError) in
      let own = candidates.filter { $0.router == number }
      return own.isEmpty ? nil : try network.pool(of: own, on: engine)
    }
  }

  /// Throws if a candidate has no place in this file, or a value that makes no sense.
  func validate(_ candidate: Candidate) throws(ARMSError) {
    let network = try naming("candidate \(quoted(candidate.name))") { () throws(ARMSError) in
      try self.network(candidate.router)
    }
    try candidate.validate(embeddingWidth: network.text.width)
  }
}

extension RouterNetwork {
  /// Profiles that are embedded together.
  private static let profilesPerPass = 32

  /// Throws `limitExceeded` for more candidates than are kept: before their profiles are embedded, which takes long.
  func checkCount(_ count: Int) throws(ARMSError) {
    try CandidatePool.checkCount(count, embeddingWidth: text.width, keyWidth: head.classifier.sharedWidth)
  }

  /// A pool of new candidates: their profiles are embedded where no embedding is given.
  func pool(of candidates: [Candidate], on engine: Engine) throws(ARMSError) -> CandidatePool {
    let width = text.width
    try checkCount(candidates.count)
    let embeddings = try AlignedBuffer(
      Float.self, count: candidates.count * width, purpose: "\(candidates.count) candidates")
    let target = embeddings.pointer(to: Float.self)
    var stored = candidates
    var sentences: [Int] = []
    for (index, candidate) in candidates.enumerated() {
      stored[index].embedding = nil
      stored[index].hasGivenEmbedding = candidate.embedding != nil
      stored[index].encoderHash = candidate.embedding == nil ? text.hash : ""
      if let given = candidate.embedding {
        for (column, value) in given.enumerated() { target[index * width + column] = value }
      } else {
        sentences.append(index)
      }
    }
    try embed(sentences.map { ($0, candidates[$0].profile) }, into: target, on: engine)
    return try CandidatePool(
      stored, embeddings: target, deltas: nil, classifier: head.classifier, on: engine)
  }

  /// Embeds profile sentences: row `place` of `out`, `[_, d_t]`, for each.
  func embed(
    _ profiles: [(place: Int, sentence: String)], into out: UnsafeMutablePointer<Float>, on engine: Engine
  ) throws(ARMSError) {
    for start in stride(from: 0, to: profiles.count, by: Self.profilesPerPass) {
      let pass = profiles[start..<min(start + Self.profilesPerPass, profiles.count)]
      let queries = pass.map { Query(.text($0.sentence)) }
      try engine.execute { (execution) throws(ARMSError) in
        let encoded = try queries.withViews { (views) throws(ARMSError) in
          try text.encode(views, on: execution)
        }
        for (row, profile) in pass.enumerated() {
          (out + profile.place * text.width).update(
            from: encoded.pooled + row * text.width, count: text.width)
        }
      }
    }
  }
}
