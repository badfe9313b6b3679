/// Whose candidates a router has once its weights are replaced.
public enum ReplacedCandidates: Sendable {
  /// Those that come with the new weights. The present ones go, with every change that was made to them before.
  case fromReplacement
  /// The present ones, in their order, with their costs, latencies, limits of images, and as enabled as they are.
  /// What is learned of a candidate, its calibration included, comes with the new weights if they know one of that
  /// name and profile. Others are embedded anew and keep their calibration, as if they were added now.
  case present
}

extension Router {
  /// Takes weights and candidates of `other` in one step, as one new generation, which is returned.
  ///
  /// Calls in flight finish on the generation they began with; `other` stays as it is. Threads and limits are this
  /// router's still. Encoded questions and images are routed with further if the new encoders have the old ones'
  /// hashes, and refused with `invalidArgument` otherwise.
  ///
  /// Changes are made one after the other: one of the candidates that is called meanwhile waits, and is then made
  /// to the new candidates. None is lost that was called later than this.
  ///
  /// Throws `invalidArgument`, naming the candidate, if a present one cannot be kept, and `outOfMemory`; the router
  /// is then as it was.
  @discardableResult
  public func replace(
    with other: Router, candidates: ReplacedCandidates = .fromReplacement
  ) throws(ARMSError) -> UInt64 {
    try replace(candidates) { () throws(ARMSError) in other.snapshots.load() }
  }

  /// Makes the next generation of the snapshot that `replacement` gives. Other changes wait meanwhile.
  @discardableResult
  func replace(
    _ candidates: ReplacedCandidates, by replacement: () throws(ARMSError) -> RouterSnapshot
  ) throws(ARMSError) -> UInt64 {
    let generation = try snapshots.update { (snapshot) throws(ARMSError) in
      let replacement = try replacement()
      let pools =
        switch candidates {
        case .fromReplacement: replacement.pools
        case .present: try replacement.adopting(snapshot, on: engine)
        }
      return RouterSnapshot(
        generation: snapshot.generation + 1, model: replacement.model, pools: try snapshot.counting(pools))
    }.generation
    counters.add(.reloads)
    return generation
  }
}

extension RouterSnapshot {
  /// The pools with this snapshot's counters for the candidates that it has by name, and fresh ones for others.
  fileprivate func counting(_ pools: [CandidatePool]) throws(ARMSError) -> [CandidatePool] {
    try pools.map { (pool) throws(ARMSError) in
      try pool.counting(
        pool.candidates.map { candidate in
          places[candidate.name].map { self.pools[$0.pool].choices[$0.index] } ?? ChoiceCounter()
        })
    }
  }

  /// The candidates of `other` under the weights of this one.
  fileprivate func adopting(_ other: RouterSnapshot, on engine: Engine) throws(ARMSError) -> [CandidatePool] {
    for case let pool in other.pools.dropFirst(pools.count) {
      // Names the first that has no place.
      for candidate in pool.candidates { try model.validate(candidate) }
    }
    return try zip(model.networks, pools).enumerated().map { (number, learned) throws(ARMSError) in
      let (network, pool) = learned
      return number < other.pools.count
        ? try network.adopt(other.pools[number], learned: pool, on: engine)
        : try pool.keeping([])
    }
  }
}

extension RouterNetwork {
  /// The candidates of `present`, in their order, with what `learned` knows of those that are there as well.
  ///
  /// With the pool that `learned` was trained on, that one says which candidates are the same, since training embeds
  /// profiles anew; and the calibration is that of `present`, since training does not change it.
  func adopt(
    _ present: CandidatePool, learned: CandidatePool, trainedOn base: CandidatePool? = nil, on engine: Engine
  ) throws(ARMSError) -> CandidatePool {
    let places = Dictionary(learned.candidates.enumerated().map { ($1.name, $0) }) { first, _ in first }
    var order: [Int] = []
    var unknown: [Candidate] = []
    for (index, candidate) in present.candidates.enumerated() {
      if let place = places[candidate.name], (base ?? learned).describes(place, asIn: present, index) {
        order.append(place)
      } else {
        order.append(learned.count + unknown.count)
        unknown.append(present.description(at: index))
      }
    }
    for candidate in unknown {
      try candidate.validate(embeddingWidth: text.width)
    }
    let adopted = try learned.appending(pool(of: unknown, on: engine)).keeping(order)
    let settled = zip(adopted.candidates, present.candidates).map { (candidate, settings) in
      var candidate = candidate
      candidate.cost = settings.cost
      candidate.latency = settings.latency
      candidate.maxImages = settings.maxImages
      candidate.isEnabled = settings.isEnabled
      if base != nil {
        (candidate.temperature, candidate.bias) = (settings.temperature, settings.bias)
      }
      return candidate
    }
    return try adopted.replacing(settled)
  }
}

extension CandidatePool {
  /// Whether the candidate at `place` is described as that of `other` at `index` is: by the same profile, and where
  /// an embedding was given by the same embedding.
  func describes(_ place: Int, asIn other: CandidatePool, _ index: Int) -> Bool {
    let (own, theirs) = (candidates[place], other.candidates[index])
    guard own.profile == theirs.profile else { return false }
    return !own.hasGivenEmbedding && !theirs.hasGivenEmbedding
      || embedding(at: place).elementsEqual(other.embedding(at: index))
  }

  /// The candidate at `index` as it would be added: with its embedding, if that was given.
  fileprivate func description(at index: Int) -> Candidate {
    var candidate = candidates[index]
    candidate.embedding = candidate.hasGivenEmbedding ? Array(embedding(at: index)) : nil
    candidate.beta = 0
    return candidate
  }

  private func embedding(at index: Int) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: embeddings + index * embeddingWidth, count: embeddingWidth)
  }
}
