/// An outcome as training reads it: its candidate by place, not by name.
struct EncodedOutcome: Sendable, Equatable {
  /// The candidate's place among the trained router's candidates.
  var candidate: Int
  /// 1 if it answered correctly, 0 if not.
  var label: Float
  /// How much it counts, above 0.
  var weight: Float = 1
}
