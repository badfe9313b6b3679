/// What frozen layers made of questions and images, and prepared images, kept for the next epoch and the next
/// trainer.
///
/// An entry belongs to the layers that made it: those of another encoder never see it. That of an image file belongs
/// to its version: one that was written anew is read anew. Safe to use from any number of threads at once.
final class FeatureCache: Sendable {
  struct Key: Hashable {
    /// Names the layers, see ``TextEncoder/featureName(below:form:)``.
    let layers: String
    let item: Item
  }

  enum Item: Hashable {
    /// The tokens of a text: a question that is asked of many images is encoded once.
    case text([Int32])
    /// An image that its data set keeps.
    case image(ObjectIdentifier)
  }

  private let contents = ForkSafe(Contents()) { Contents() }

  private struct Contents {
    var entries: [Key: Entry] = [:]
    var bytes = 0
  }

  private struct Entry {
    let buffer: AlignedBuffer
    let version: FileVersion?
  }

  /// Bytes held.
  var byteCount: Int { contents.withValue { $0.bytes } }

  /// What was kept for a key, unless it is of another version. Nil, of what is no file or is gone, fits any.
  subscript(key: Key, version version: FileVersion? = nil) -> AlignedBuffer? {
    contents.withValue { contents in
      guard let entry = contents.entries[key], version == nil || entry.version == version else { return nil }
      return entry.buffer
    }
  }

  /// Keeps a buffer, in place of one of another version, unless more than `limit` bytes would then be held.
  func keep(_ buffer: AlignedBuffer, for key: Key, version: FileVersion? = nil, limit: Int) {
    contents.withValue { contents in
      if let old = contents.entries[key] {
        guard old.version != version else { return }
        contents.entries[key] = nil
        contents.bytes -= old.buffer.byteCount
      }
      guard buffer.byteCount <= limit - contents.bytes else { return }
      contents.entries[key] = Entry(buffer: buffer, version: version)
      contents.bytes += buffer.byteCount
    }
  }

  /// Forgets what other layers than those named made: it would only stand in the way.
  func forget(except layers: [String]) {
    contents.withValue { contents in
      for (key, entry) in contents.entries where !layers.contains(key.layers) {
        contents.entries[key] = nil
        contents.bytes -= entry.buffer.byteCount
      }
    }
  }
}

extension TextEncoder {
  /// Names the layers below `layers`, all if nil, by the encoder, the form of its weights and the size of what they
  /// make: a file may say that its encoder is another one's. Nil if the file gives the encoder no name.
  func featureName(below layers: TrainedLayers?, form: String) -> String? {
    guard !hash.isEmpty else { return nil }
    return "text \(hash) \(form) \(width) \(layers.kept(of: blocks.count))"
  }
}

extension ModelFile {
  /// In what form the file holds weights, in 64 hexadecimal digits: the types, and the factors by which inputs are
  /// smoothed. An encoder's name is that of its weights before they were rounded.
  func form(of parameters: [Parameter], prefix: RouterPrefix) -> String {
    var hash = SHA256()
    for parameter in parameters {
      hash.update("\(parameter.name.dropFirst(prefix.tensor.count)) \(weightType(of: parameter.name))\n")
      guard case .int8(let weight) = parameter.source, let smooth = weight.smooth else { continue }
      hash.update(smooth, count: parameter.columns)
    }
    return hash.hexDigest()
  }
}

extension TrainedLayers? {
  /// What frozen layers leave: the rows below a block, or the vector behind all of them.
  fileprivate func kept(of blocks: Int) -> String { map { "below \($0.firstBlock)" } ?? "behind \(blocks)" }
}

extension ImageEncoder {
  /// As ``TextEncoder/featureName(below:form:)``; with the embeddings trained it names the prepared pixels.
  func featureName(below layers: TrainedLayers?, form: String, tokens: Bool) -> String? {
    guard !hash.isEmpty else { return nil }
    if layers?.includesEmbeddings == true { return "pixels \(hash) \(pixelCount)" }
    let (size, kept) = ("\(width), \(tokenCount) of \(patchWidth)", layers.kept(of: blocks.count))
    return "image \(hash) \(form) \(size) \(kept)\(tokens ? ", tokens" : "")"
  }

  /// Where the tokens of a frozen encoder begin behind its pooled vector, aligned.
  var featureOffset: Int { width.roundedUp(toMultipleOf: 16) }
}
