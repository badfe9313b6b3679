/// One router of a route with its candidates.
struct Stage {
  /// 0 for the first of the route, 1 for the second.
  let number: Int
  let router: Router
  let snapshot: CandidateSnapshot
  let network: RouterNetwork
  let pool: CandidatePool

  /// The pool `pool` of `router`, as its candidates are now.
  init(_ number: Int, _ router: Router, _ snapshot: CandidateSnapshot, pool: Int) {
    self.number = number
    self.router = router
    self.snapshot = snapshot
    network = router.networks[pool]
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
