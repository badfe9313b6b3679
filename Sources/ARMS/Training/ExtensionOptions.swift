/// How a router is extended to new candidates by going on with its training (the paper's incremental training,
/// section 4.3), and what keeps it from forgetting the old ones.
public struct ExtensionOptions: Sendable, Equatable {
  /// How it is trained.
  public var training = TrainingOptions()
  /// The share of old queries among those of the run, 0 to below 1. They are drawn at random by the training's
  /// seed; all are taken if there are fewer.
  public var replayShare = 0.0
  /// How much an old candidate's former confidence counts, of an outcome, as a label of its own wherever no outcome of
  /// it is known; 0: not at all. (Learning without forgetting: Li and Hoiem, arXiv 1606.09282.)
  public var distillation = 0.0
  /// By how much exact match and accuracy of the old candidates may fall on held-out queries, as shares: 0.01 is one
  /// point. A run that falls further is not accepted.
  public var tolerance = 0.01

  /// The defaults: the paper's, which neither replays nor distils.
  public init() {}

  /// Throws `invalidArgument` if a value makes no sense.
  func validate() throws(ARMSError) {
    try training.validate()
    guard replayShare >= 0, replayShare < 1 else {
      throw ARMSError(.invalidArgument, "replay_share is \(replayShare); 0 to below 1 is wanted")
    }
    for (name, value) in [("distillation", distillation), ("tolerance", tolerance)] {
      guard value.isFinite, value >= 0 else {
        throw ARMSError(.invalidArgument, "\(name) is \(value); 0 or more is wanted")
      }
    }
  }
}

/// What became of an extension.
public struct ExtensionReport: Sendable, Equatable {
  /// Whether the new weights went live.
  public var isAccepted: Bool
  /// The old candidates on the held-out queries, with the old weights; nil without these.
  ///
  /// They are measured as they are routed to, by their calibrated confidences and the weights as they are stored:
  /// accuracy is the share of outcomes on whose side of 0.5 the confidence is, exact match the share of queries whose
  /// candidate of the largest confidence answered correctly, and the loss that of the confidences.
  public var before: TrainingMetrics?
  /// The same with the weights that go live if they are accepted, and the present calibrations.
  public var after: TrainingMetrics?
  /// The validation metrics of each epoch.
  public var epochs: [TrainingMetrics]
  /// The router's generation: the new one if the weights were accepted.
  public var generation: UInt64
}
