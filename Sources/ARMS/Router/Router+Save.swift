extension Router {
  /// Writes the router and its present candidates as a model file.
  ///
  /// The file at `path` is replaced in one step when all bytes are on disk, or left as it is. Throws `io`.
  public func save(to path: String) throws(ARMSError) {
    let snapshot = snapshots.load()
    var writer = GGUFWriter()
    writer.add(snapshot.model.file) { !RouterPrefix.isOfCandidates($0) }
    for (number, pool) in snapshot.pools.enumerated() { pool.write(to: &writer, number: number) }
    // The writer holds pointers into the pools.
    try withExtendedLifetime(snapshot) { () throws(ARMSError) in try writer.write(to: path) }
  }
}
