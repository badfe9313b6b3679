import Synchronization

/// Which encoder made a vector: the hash of its weights where the model file has one, else itself.
struct EncoderIdentity: Sendable, Equatable {
  let hash: String
  private let serial: UInt64

  private static let made = Atomic<UInt64>(0)

  /// The identity of a new encoder.
  init(hash: String) {
    self.hash = hash
    serial = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
  }

  static func == (left: Self, right: Self) -> Bool {
    left.hash.isEmpty || right.hash.isEmpty ? left.serial == right.serial : left.hash == right.hash
  }
}
