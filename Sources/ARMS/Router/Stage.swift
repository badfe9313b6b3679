/// One router of a route with its candidates.
struct Stage {
  /// 0 for the first of the route, 1 for the second.
  let number: Int
  let snapshot: RouterSnapshot
  let network: RouterNetwork
  let pool: CandidatePool

  /// The network and pool `pool` of `snapshot`.
  init(_ number: Int, _ snapshot: RouterSnapshot, pool: Int) {
    self.number = number
    self.snapshot = snapshot
    network = snapshot.model.networks[pool]
    self.pool = snapshot.pools[pool]
  }

  /// Where in the pool the named candidate is.
  func index(of name: NameBytes) -> Int? {
    guard let place = snapshot.place(of: name), snapshot.pools[place.pool] === pool else { return nil }
    return place.index
  }

  /// Which candidates of the pool are among those named: `[pool.count]`.
  func marks(
    _ names: UnsafeBufferPointer<NameBytes>, in arena: ScratchArena
  ) throws(ARMSError) -> UnsafePointer<Bool> {
    let marks = try arena.allocate(Bool.self, pool.count)
    marks.update(repeating: false, count: pool.count)
    for name in names {
      if let index = index(of: name) { marks[index] = true }
    }
    return UnsafePointer(marks)
  }
}

/// The pools of a route in the order of the cascade.
struct Stages {
  let first: Stage
  let second: Stage?
}
