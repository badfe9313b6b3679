extension Trainer {
  /// What the validations of the last run gave so far, one an epoch; after ``resume(from:)`` those of the run that goes
  /// on.
  package var validations: [TrainingMetrics] { run?.metrics ?? [] }
}
