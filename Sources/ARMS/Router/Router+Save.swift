extension Router {
  /// How the names of keys and tensors of candidates begin.
  static let candidatePrefixes = [
    "arms.candidate.", "arms.second.candidate.", "candidate.", "second.candidate.",
  ]

  /// The key of the record of how the weights of router `number`, 0 or 1, came about.
  static func recordKey(ofRouter number: Int) -> String {
    number == 0 ? "arms.training.record" : "arms.second.training.record"
  }

  /// Writes the router and its present candidates as a model file.
  ///
  /// The file at `path` is replaced in one step when all bytes are on disk, or left as it is. Throws `io`.
  public func save(to path: String) throws(ARMSError) {
    let snapshot = snapshots.load()
    var writer = GGUFWriter()
    snapshot.model.file.copyAll(into: &writer) { name in
      !Self.candidatePrefixes.contains { name.hasPrefix($0) }
    }
    for (number, pool) in snapshot.pools.enumerated() { pool.write(to: &writer, number: number) }
    // The writer holds pointers into the pools.
    try withExtendedLifetime(snapshot) { () throws(ARMSError) in try writer.write(to: path) }
  }
}
