/// Fields of a candidate that an update replaces or keeps.
public struct CandidateFields: OptionSet, Sendable {
  /// One bit a field.
  public let rawValue: UInt32

  /// Makes a set of fields from their bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// ``Candidate/isEnabled``
  public static let isEnabled = CandidateFields(rawValue: 1 << 0)
  /// ``Candidate/cost``
  public static let cost = CandidateFields(rawValue: 1 << 1)
  /// ``Candidate/latency``
  public static let latency = CandidateFields(rawValue: 1 << 2)
  /// ``Candidate/temperature``
  public static let temperature = CandidateFields(rawValue: 1 << 3)
  /// ``Candidate/bias``
  public static let bias = CandidateFields(rawValue: 1 << 4)
  /// ``Candidate/maxImages``
  public static let maxImages = CandidateFields(rawValue: 1 << 5)
}

extension Candidate {
  /// Takes from another all that an update replaces, but for the fields that are kept.
  mutating func update(from other: Candidate, keeping kept: CandidateFields) {
    if !kept.contains(.isEnabled) { isEnabled = other.isEnabled }
    if !kept.contains(.cost) { cost = other.cost }
    if !kept.contains(.latency) { latency = other.latency }
    if !kept.contains(.temperature) { temperature = other.temperature }
    if !kept.contains(.bias) { bias = other.bias }
    if !kept.contains(.maxImages) { maxImages = other.maxImages }
  }
}
