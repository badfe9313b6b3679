extension HeadTrainer {
  /// Writes the router with the trained head and candidates as a model file.
  ///
  /// Encoders and, in a cascade, the other router stay as they are in the router's file; the candidates are those
  /// that the trainer was made with. `type` is that of the head's matrices; nil: as in the router's file. What
  /// is int8 there is quantised anew, without the smoothing that it may have had. The file at `path` is replaced
  /// in one step when all bytes are on disk, or left as it is.
  ///
  /// Throws `notFinite`, `unsupported`, `invalidModel`, `io`, `outOfMemory`.
  package func save(to path: String, type: WeightType? = nil) throws(ARMSError) {
    let pools = try trainedPools()
    var writer = GGUFWriter()
    var replaced: Set<String> = []
    for entry in parameters.entries {
      let name = entry.parameter.name
      replaced.formUnion([name, "\(name).scale", "\(name).colsum", "\(name).smooth"])
    }
    router.file.copyAll(into: &writer) { name in
      !replaced.contains(name) && !Router.candidatePrefixes.contains { name.hasPrefix($0) }
    }
    var parameterWriter = ParameterWriter()
    // The last two are the candidates', which their pool writes.
    for entry in parameters.entries.dropLast(2) {
      let stored = router.file.tensor(entry.parameter.name).map { WeightType($0.type) } ?? .f32
      try parameterWriter.add(
        entry.parameter, parameters.values + entry.offset, as: type ?? stored, to: &writer)
    }
    for (number, pool) in pools.enumerated() { pool.write(to: &writer, number: number) }
    // The writer holds pointers into all of these.
    try withExtendedLifetime((pools, parameterWriter, parameters)) { () throws(ARMSError) in
      try writer.write(to: path)
    }
  }

  /// The router's pools, with what was learned in place of this one's deltas and betas.
  private func trainedPools() throws(ARMSError) -> [CandidatePool] {
    var learned = pool.candidates
    for index in learned.indices { learned[index].beta = candidates.betas[index] }
    guard learned.allSatisfy(\.beta.isFinite) else {
      throw ARMSError(.notFinite, "a candidate's beta is not a finite number; the training went wrong")
    }
    var pools = router.snapshots.load().pools
    pools[number] = try CandidatePool(
      learned, embeddings: pool.embeddings, deltas: candidates.deltas, classifier: head.classifier,
      on: engine)
    return pools
  }
}
