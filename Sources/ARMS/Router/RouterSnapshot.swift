/// A router at one time, weights and candidates. Immutable: a change makes the next generation.
///
/// What needs both, or either twice, takes one snapshot and reads all from it: the next one that it took might
/// have other weights, widths and candidates.
final class RouterSnapshot: Sendable {
  /// Grows by one with every change.
  let generation: UInt64
  let model: RouterModel
  /// The candidates of each of the model's networks.
  let pools: [CandidatePool]
  /// A pool, and an index in it.
  typealias Place = (pool: Int, index: Int)

  /// Where a candidate is, by its name.
  let places: [String: Place]
  /// The same by the hash of the name's bytes, of two with equal hashes only one.
  private let hashedPlaces: [Int: Place]

  init(generation: UInt64, model: RouterModel, pools: [CandidatePool]) {
    self.generation = generation
    self.model = model
    self.pools = pools
    var places: [String: Place] = [:]
    var hashedPlaces: [Int: Place] = [:]
    places.reserveCapacity(pools.reduce(0) { $0 + $1.count })
    hashedPlaces.reserveCapacity(places.capacity)
    for (number, pool) in pools.enumerated() {
      for (index, candidate) in pool.candidates.enumerated() {
        places[candidate.name] = (number, index)
        var name = candidate.name
        hashedPlaces[name.withUTF8(Self.hash)] = (number, index)
      }
    }
    self.places = places
    self.hashedPlaces = hashedPlaces
  }

  var count: Int { pools.reduce(0) { $0 + $1.count } }

  /// Where the named candidate is; throws `.notFound`.
  func place(of name: String) throws(ARMSError) -> Place {
    guard let place = places[name] else { throw notFound(name) }
    return place
  }

  func notFound(_ name: String) -> ARMSError {
    ARMSError(.notFound, "there is no candidate \(quoted(name)) among the \(count) of this router")
  }

  /// Where the named candidate is. A name with its very bytes is found without taking memory, which a `String`
  /// of it would; one that Unicode calls equal is found as well.
  func place(of name: NameBytes) -> Place? {
    if let place = hashedPlaces[Self.hash(name)],
      pools[place.pool].candidates[place.index].name.utf8.elementsEqual(name)
    {
      return place
    }
    return places[String(decoding: name, as: UTF8.self)]
  }

  private static func hash(_ name: NameBytes) -> Int {
    var hasher = Hasher()
    hasher.combine(bytes: UnsafeRawBufferPointer(name))
    return hasher.finalize()
  }

  /// The next generation, with other pools.
  func next(_ pools: [CandidatePool]) -> RouterSnapshot {
    RouterSnapshot(generation: generation + 1, model: model, pools: pools)
  }
}

extension RouterSnapshot {
  /// The first generation of a model file: its networks with the candidates that it holds.
  ///
  /// Throws `io`, `invalidModel`, `unsupported` or `outOfMemory`.
  convenience init(opening path: String, copy: Bool, on engine: Engine) throws(ARMSError) {
    let model = try RouterModel(path: path, copy: copy)
    let pools = try model.networks.enumerated().map { (number, network) throws(ARMSError) in
      try network.storedCandidates(in: model.file, number: number, on: engine)
    }
    self.init(generation: 1, model: model, pools: pools)
    guard places.count == count else {
      throw model.file.invalid("holds two candidates of one name; names must be unique")
    }
  }
}
