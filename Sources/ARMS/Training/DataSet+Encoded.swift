/// What frozen layers made of questions and images, and prepared images, kept for the next epoch and the next
/// trainer.
///
/// An entry belongs to the layers that made it: those of another encoder never see it. Safe to use from any
/// number of threads at once.
final class FeatureCache: @unchecked Sendable {
  struct Key: Hashable {
    /// Names the layers, see ``TextEncoder/featureName(below:type:)``.
    let layers: String
    let item: Item
  }

  enum Item: Hashable {
    /// The tokens of a text: a question that is asked of many images is encoded once.
    case text([Int32])
    /// An image that its data set keeps.
    case image(ObjectIdentifier)
  }

  // Touched under the lock only; that is why @unchecked holds.
  private let lock = ForkSafeLock()
  private var contents = Contents()

  private final class Contents {
    var buffers: [Key: AlignedBuffer] = [:]
    var bytes = 0
  }

  /// Bytes held.
  var byteCount: Int { withContents { $0.bytes } }

  /// What was kept for a key.
  subscript(key: Key) -> AlignedBuffer? { withContents { $0.buffers[key] } }

  /// Keeps a buffer unless more than `limit` bytes would then be held.
  func keep(_ buffer: AlignedBuffer, for key: Key, limit: Int) {
    withContents { contents in
      guard contents.buffers[key] == nil, buffer.byteCount <= limit - contents.bytes else { return }
      contents.buffers[key] = buffer
      contents.bytes += buffer.byteCount
    }
  }

  /// Forgets what other layers than those named made: it would only stand in the way.
  func forget(except layers: [String]) {
    withContents { contents in
      for (key, buffer) in contents.buffers where !layers.contains(key.layers) {
        contents.buffers[key] = nil
        contents.bytes -= buffer.byteCount
      }
    }
  }

  private func withContents<R>(_ body: (Contents) -> R) -> R {
    lock.withLock { stale in
      if stale {
        // A thread that did not survive a fork was changing it: what it left is no dictionary, and is not released.
        _ = Unmanaged.passRetained(contents)
        contents = Contents()
      }
      return body(contents)
    }
  }
}

extension TextEncoder {
  /// Names the layers below `layers`, all if nil, by the encoder and the type of its weights; nil if the model file
  /// gives the encoder no name.
  func featureName(below layers: TrainedLayers?, type: TensorType?) -> String? {
    guard !hash.isEmpty, let type else { return nil }
    return "text \(hash) \(type) below \(layers?.firstBlock ?? blocks.count)"
  }
}

extension ImageEncoder {
  /// As ``TextEncoder/featureName(below:type:)``; with the embeddings trained it names the prepared pixels.
  func featureName(below layers: TrainedLayers?, type: TensorType?, tokens: Bool) -> String? {
    guard !hash.isEmpty, let type else { return nil }
    if layers?.includesEmbeddings == true { return "pixels \(hash)" }
    return "image \(hash) \(type) below \(layers?.firstBlock ?? blocks.count)\(tokens ? ", tokens" : "")"
  }

  /// Where the tokens of a frozen encoder begin behind its pooled vector, aligned.
  var featureOffset: Int { width.roundedUp(toMultipleOf: 16) }
}
