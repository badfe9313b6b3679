/// How a router is trained. The defaults are the paper's (section 5.1.4).
public struct TrainingOptions: Sendable, Equatable {
  /// What is trained.
  public var scope = TrainingScope.head
  /// Adapters that are trained in place of the encoder layers of the scope; nil: the layers' own weights are.
  public var adapters: AdapterOptions?
  /// Passes over the training queries.
  public var epochs = 2
  /// Queries of a step.
  public var batchSize = 64
  /// The most queries that run through the layers together; a larger batch accumulates their gradients. 0: 256 if
  /// only the head is trained, else 16, which takes some 700 MB of activations with DistilBERT and CLIP ViT-B/32.
  public var microBatchSize = 0
  /// The learning rate and its course.
  public var learningRate = LearningRate()
  /// Decay of the matrices, decoupled.
  public var weightDecay = 1e-2
  /// The largest norm of all gradients together; 0: no limit.
  public var clip = 0.0
  /// Whether both labels count as much, whatever their numbers.
  public var balancesClasses = false
  /// What choosing well counts beside cross-entropy, gamma of ``RoutingTerm``; 0: nothing, as in the paper.
  public var routingWeight = 0.0
  /// How close that choice is to taking the largest logit, tau.
  public var routingSharpness = 2.0
  /// How much of a label is what a ``KernelTeacher`` makes of similar questions, 0 to 1; 0: nothing, as in the paper.
  public var teacherWeight = 0.0
  /// How much the teacher smooths: the variance of an outcome's noise.
  public var teacherRidge = 10.0
  /// Whether offsets `beta_j` that are 0 begin at the logarithm of the odds that the candidate is right, instead of
  /// being learned step by step. Of the scaled head.
  public var startsAtBaseRates = false
  /// Whether the linear layers, but the gate's, multiply operands rounded to bfloat16, forward and backward; sums,
  /// weights, moments and all else stay float32. For CPUs with AMX or AMD's AVX512-BF16; others round, and multiply
  /// floats, which takes longer than float32. Of the steps alone: what is frozen is encoded as ever, and a validation
  /// is measured in float32.
  public var usesBFloat16 = false
  /// Decides the order of the queries.
  public var seed: UInt64 = 0
  /// Threads; 0: as many as the router's. Another number changes the last bits of the results.
  public var threads = 0
  /// The most bytes that are kept of what frozen layers made of queries, and of prepared images; what is beyond is
  /// computed, and decoded, again in every epoch, with the same results.
  public var cacheBytes = 4 << 30

  /// The defaults.
  public init() {}

  /// The queries of a pass.
  var queriesPerPass: Int { microBatchSize > 0 ? microBatchSize : scope == .head ? 256 : 16 }

  /// Throws `invalidArgument` if a value makes no sense. Errors name options as `arms.h` does.
  func validate() throws(ARMSError) {
    if let adapters {
      try adapters.validate()
      guard scope != .head else {
        throw ARMSError(
          .invalidArgument,
          "adapters are wanted, but the scope has no encoder layer that they could adapt; "
            + "set text_layers or image_layers")
      }
    }
    for (name, value) in [("epochs", epochs), ("batch_size", batchSize)] {
      guard value > 0 else { throw ARMSError(.invalidArgument, "\(name) is \(value); above 0 is wanted") }
    }
    for (name, value) in [
      ("micro_batch_size", microBatchSize), ("warmup_steps", learningRate.warmup),
      ("cache_bytes", cacheBytes),
    ] {
      guard value >= 0 else {
        throw ARMSError(.invalidArgument, "\(name) is \(value); 0 or more is wanted")
      }
    }
    for (name, value) in [
      ("learning_rate", learningRate.peak), ("weight_decay", weightDecay), ("clip", clip),
      ("routing_weight", routingWeight), ("routing_sharpness", routingSharpness),
    ] {
      guard value.isFinite, value >= 0 else {
        throw ARMSError(.invalidArgument, "\(name) is \(value); 0 or more is wanted")
      }
    }
    guard (0...1).contains(teacherWeight) else {
      throw ARMSError(.invalidArgument, "teacher_weight is \(teacherWeight); 0 to 1 is wanted")
    }
    guard teacherRidge.isFinite, teacherRidge > 0 else {
      throw ARMSError(.invalidArgument, "teacher_ridge is \(teacherRidge); a number above 0 is wanted")
    }
    guard (0...Router.threadLimit).contains(threads) else {
      throw ARMSError(
        .invalidArgument, "threads is \(threads); 0 to \(Router.threadLimit) is wanted")
    }
  }
}
