extension Router {
  /// Writes this router and `second` as one model file, a cascade (Algorithm 1): this router's candidates are
  /// `S`, those of `second` are `S_new`.
  ///
  /// Encoders of the same name, which is the hash of their weights, are written once. `theta`, 0 to 1, becomes the
  /// file's default; nil keeps this router's. The file at `path` is replaced in one step when all bytes are on
  /// disk, or left as it is. Both routers may go on being used.
  ///
  /// Throws `invalidArgument` if either holds two routers already or `theta` is outside 0 to 1, `alreadyExists` if
  /// a candidate is in both, `invalidModel` if the file would not open, as of encoders of one name that are not the
  /// same; `io`.
  public func join(_ second: Router, to path: String, theta: Float? = nil) throws(ARMSError) {
    let (ours, theirs) = (snapshots.load(), second.snapshots.load())
    for (name, snapshot) in [("first", ours), ("second", theirs)] where snapshot.model.networks.count != 1 {
      throw ARMSError(
        .invalidArgument, "the \(name) router is a cascade of two already; join single routers")
    }
    if let theta, !(0...1).contains(theta) {
      throw ARMSError(.invalidArgument, "theta is \(theta); 0 to 1 is wanted")
    }
    for candidate in theirs.pools.flatMap(\.candidates) where ours.places[candidate.name] != nil {
      throw ARMSError(
        .alreadyExists,
        "candidate \(quoted(candidate.name)) is in both routers; remove it from one of them")
    }
    var writer = GGUFWriter()
    writer.add(ours.model.file) { !isOfSecondRouter($0) && !RouterPrefix.isOfCandidates($0) }
    let shared = ours.model.networks[0].encoders(sharedWith: theirs.model.networks[0])
    writer.add(theirs.model.file) { secondName(of: $0, sharing: shared) }
    if let theta { writer.set("arms.cascade.theta", .float32(theta)) }
    ours.pools[0].write(to: &writer, number: 0)
    theirs.pools[0].write(to: &writer, number: 1)
    // The writer holds pointers into the pools.
    try withExtendedLifetime((ours, theirs)) { () throws(ARMSError) in
      // What does not open must not take the place of what does.
      _ = try RouterModel(writer.modelFile(path))
      try writer.write(to: path)
    }
  }
}

/// Which encoders a second router takes from the first.
private struct SharedEncoders {
  var text: Bool
  var image: Bool
}

extension RouterNetwork {
  /// Encoders without a name are nobody else's.
  fileprivate func encoders(sharedWith other: RouterNetwork) -> SharedEncoders {
    SharedEncoders(
      text: !text.hash.isEmpty && text.identity == other.text.identity,
      image: image.map { !$0.hash.isEmpty && $0.identity == other.image?.identity } ?? false)
  }
}

/// Whether a key or tensor would be the second router's, whom a single router's file does not have: it was ignored
/// there.
private func isOfSecondRouter(_ name: String) -> Bool {
  name.hasPrefix(RouterPrefix.second.key) || name.hasPrefix(RouterPrefix.second.tensor)
}

/// What a key or tensor of a single router is called where that router is the second of two; nil for what the
/// first router has for both.
private func secondName(of name: String, sharing shared: SharedEncoders) -> String? {
  func begins(_ prefixes: [String]) -> Bool { prefixes.contains { name.hasPrefix($0) } }
  if isOfSecondRouter(name) || RouterPrefix.isOfCandidates(name) { return nil }
  if shared.text, begins(["arms.text.", "arms.tokenizer.", "t."]) { return nil }
  if shared.image, begins(["arms.vision.", "v."]) { return nil }
  // These are about the whole file.
  if begins(["general.", "arms.format_version", "arms.cascade."]) { return nil }
  let (first, second) = (RouterPrefix.first, RouterPrefix.second)
  return name.hasPrefix(first.key) ? second.key + name.dropFirst(first.key.count) : second.tensor + name
}
