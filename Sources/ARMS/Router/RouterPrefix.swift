/// How the names begin of what a model file has of one router (FORMAT.md).
struct RouterPrefix: Sendable {
  /// Of its keys.
  let key: String
  /// Of its tensors.
  let tensor: String

  static let first = RouterPrefix(key: "arms.", tensor: "")
  static let second = RouterPrefix(key: "arms.second.", tensor: "second.")

  private init(key: String, tensor: String) {
    self.key = key
    self.tensor = tensor
  }

  /// Of router `number`, 0 or 1.
  init(router number: Int) { self = number == 0 ? .first : .second }

  /// The key of the record of how the router's weights came about.
  var recordKey: String { "\(key)training.record" }

  /// Whether a key or tensor is of the candidates of any router.
  static func isOfCandidates(_ name: String) -> Bool {
    [first, second].contains {
      name.hasPrefix("\($0.key)candidate.") || name.hasPrefix("\($0.tensor)candidate.")
    }
  }
}
