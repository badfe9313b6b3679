extension Router {
  /// Adds an adapter that ``Trainer/saveAdapter(to:)`` wrote to the weights that it was trained on, as one new
  /// generation, which is returned: the router then answers to the bit as the trained one did, and ``save(to:)`` writes
  /// the merged model. As ``reload(from:candidates:)``; what stands for the file's candidates are those of the training.
  /// The other router of a cascade stays as it is.
  ///
  /// The file is untrusted: all of it is checked, and the merged weights answer a query, before they serve.
  ///
  /// Throws `invalidArgument` for an adapter of other weights, or a present candidate that cannot be kept;
  /// `invalidModel` for a damaged file, `unsupported` for one of another kind; `io`, `outOfMemory`. The router is then as
  /// it was.
  @discardableResult
  public func applyAdapter(
    from path: String, candidates: ReplacedCandidates = .fromReplacement
  ) throws(ARMSError) -> UInt64 {
    try counters.countingErrors { () throws(ARMSError) in
      try replace(candidates) { () throws(ARMSError) in
        let present = snapshots.load()
        let adapter = try AdapterFile(path: path, copy: copiesFiles, of: present.model)
        let snapshot = try adapter.applied(to: present, on: engine)
        try snapshot.answerQuery(limits, on: engine)
        return snapshot
      }
    }
  }
}
