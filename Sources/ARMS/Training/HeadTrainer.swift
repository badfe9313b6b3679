/// How a head is trained. The defaults are the paper's (section 5.1.4).
package struct HeadTrainingOptions: Sendable, Equatable {
  /// Passes over the training samples.
  package var epochs = 2
  /// Samples of a step.
  package var batchSize = 64
  /// The most samples that run through the head together; larger batches accumulate their gradients.
  package var samplesPerPass = 256
  /// The learning rate and its course.
  package var learningRate = LearningRate()
  /// Decay of the matrices, decoupled.
  package var weightDecay = 1e-2
  /// The largest norm of all gradients together; 0: no limit.
  package var clip = 0.0
  /// Whether both labels count as much, whatever their numbers.
  package var balancesClasses = false
  /// Decides the order of the samples.
  package var seed: UInt64 = 0

  /// The defaults.
  package init() {}

  /// Throws `invalidArgument` if a value makes no sense.
  func validate() throws(ARMSError) {
    for (name, value) in [("epochs", epochs), ("batchSize", batchSize), ("samplesPerPass", samplesPerPass)] {
      guard value > 0 else { throw ARMSError(.invalidArgument, "\(name) is \(value); above 0 is wanted") }
    }
    for (name, value) in [
      ("learningRate.peak", learningRate.peak), ("weightDecay", weightDecay), ("clip", clip),
      ("learningRate.warmup", Double(learningRate.warmup)),
    ] {
      guard value.isFinite, value >= 0 else {
        throw ARMSError(.invalidArgument, "\(name) is \(value); 0 or more is wanted")
      }
    }
  }
}

/// Trains the head of one router, gate to classifier, and what is learned of its candidates, on samples that the
/// frozen encoders made.
///
/// It works on float32 copies of the head's weights, whatever the model file's type is: the router goes on with
/// its own. Same weights, samples, options and thread count give the same bits. Not safe to share between
/// threads.
package final class HeadTrainer {
  let router: Router
  let options: HeadTrainingOptions
  /// Whose head: 0 the first router's, 1 the second's of a cascade.
  let number: Int
  let network: RouterNetwork
  /// The candidates when the trainer was made.
  let pool: CandidatePool
  /// Of its own: routing goes on beside it, and what training allocates goes with it.
  let engine: Engine
  let parameters: ParameterSet
  /// The layers on the parameters.
  let head: Head
  let candidates: CandidateWeights
  let optimizer: AdamW
  var loss = OutcomeLoss.unbalanced

  /// Floats of ``gradients``.
  package var gradientCount: Int { parameters.count }
  /// The gradients of all parameters in one buffer, for hosts that train data-parallel: compute, exchange, then
  /// apply. Valid as long as the trainer.
  package var gradients: UnsafeMutablePointer<Float> { parameters.gradients }

  /// Makes a trainer for the head of router `number`, 0 or 1.
  ///
  /// Throws `invalidArgument`, `noCandidates`, `unsupported` without OpenBLAS, `outOfMemory`.
  package init(
    _ router: Router, number: Int = 0, options: HeadTrainingOptions = HeadTrainingOptions()
  ) throws(ARMSError) {
    try options.validate()
    guard router.networks.indices.contains(number) else {
      throw ARMSError(.invalidArgument, "router is \(number); this file holds \(router.networks.count)")
    }
    try BLAS.load()
    let network = router.networks[number]
    let pool = router.snapshots.load().pools[number]
    guard pool.count > 0 else {
      throw ARMSError(.noCandidates, "the router has no candidate to train on; add one")
    }
    let (key, prefix) = number == 0 ? ("arms.", "") : ("arms.second.", "second.")
    let betas = pool.candidates.map(\.beta)
    let (delta, beta) = (prefix + "candidate.delta", prefix + "candidate.beta")
    parameters = try betas.withUnsafeBufferPointer { (betas) throws(ARMSError) in
      let first = betas.baseAddress ?? UnsafePointer(pool.deltas)
      return try ParameterSet(
        network.head.parameters + [
          Parameter(
            name: delta, shape: [pool.count, network.text.width], source: .float(pool.deltas), decays: true),
          Parameter(name: beta, shape: [pool.count], source: .float(first)),
        ])
    }
    head = try Head(
      ModelFile(keysOf: router.file, tensors: parameters.tensors), key: key, prefix: prefix,
      text: network.text,
      image: network.image)
    candidates = CandidateWeights(
      count: pool.count, embeddings: pool.embeddings, deltas: try parameters.start(of: delta),
      betas: try parameters.start(of: beta))
    optimizer = try AdamW(
      parameters, options: AdamW.Options(weightDecay: options.weightDecay, clip: options.clip))
    self.router = router
    engine = Engine(threads: router.engine.pool.threads)
    self.options = options
    self.number = number
    self.network = network
    self.pool = pool
  }

  /// Checks samples against the router. Throws `invalidArgument`, `notFound`, `notFinite` or `limitExceeded`,
  /// naming the sample.
  package func validate(_ samples: [EncodedSample]) throws(ARMSError) {
    for (number, sample) in samples.enumerated() {
      try sample.validate(number: number, network: network, candidates: pool.count)
    }
  }

  /// Computes the gradients of the mean loss of the samples at `places`, and returns that loss. The samples
  /// were validated.
  ///
  /// The gradients of the samples' questions and images go to the places of `wanted`, in the order of `places`.
  package func computeGradients(
    _ samples: [EncodedSample], at places: ArraySlice<Int>, wanted: HeadInputGradients = HeadInputGradients()
  ) throws(ARMSError) -> Double {
    let totalWeight = loss.totalWeight(samples, at: places)
    var sum = 0.0
    var accumulates = false
    var wanted = wanted
    for pass in places.passes(of: options.samplesPerPass) {
      sum += try engine.execute { (execution) throws(ARMSError) in
        let batch = try TrainingBatch(samples, at: pass, network: network, head: head, in: execution.arena)
        let kept = try Head.Kept(head, batch.input, candidates: candidates, in: execution.arena)
        try head.forward(batch.input, candidates: candidates, keeping: kept, on: execution)
        let dy = try execution.arena.allocate(Float.self, pass.count * candidates.count)
        let sum = loss.gradient(
          batch, logits: kept.classifier.logits, candidates: candidates.count, totalWeight: totalWeight,
          into: dy)
        try head.backward(
          batch.input, candidates: candidates, kept: kept, dy: dy, wanted: wanted,
          into: Gradients(of: parameters, accumulates: accumulates), on: execution)
        return sum
      }
      accumulates = true
      wanted.advance(queries: pass.count, images: pass.reduce(0) { $0 + samples[$1].images.count }, network)
    }
    return totalWeight > 0 ? sum / totalWeight : 0
  }

  /// Changes the parameters by one step of AdamW with the present gradients.
  ///
  /// Throws `notFinite`, and changes nothing, if the gradients are not finite.
  package func applyGradients(rate: Double) throws(ARMSError) {
    try engine.execute { (execution) throws(ARMSError) in
      try optimizer.apply(rate: rate, on: execution)
    }
  }
}

extension ParameterSet {
  /// Where the parameter of that name begins.
  func start(of name: String) throws(ARMSError) -> UnsafePointer<Float> {
    guard let entry = self[name] else { throw ARMSError(.internal, "there is no parameter \(name)") }
    return UnsafePointer(values + entry.offset)
  }
}

extension ArraySlice<Int> {
  /// The slice in parts of at most `size`.
  func passes(of size: Int) -> [ArraySlice<Int>] {
    stride(from: startIndex, to: endIndex, by: size).map { self[$0..<Swift.min($0 + size, endIndex)] }
  }
}

extension HeadInputGradients {
  /// Moves on to the places behind so many queries and images.
  fileprivate mutating func advance(queries: Int, images: Int, _ network: RouterNetwork) {
    question = question.map { $0 + queries * network.text.width }
    image = image.map { $0 + queries * network.head.imageWidth }
    guard let encoder = network.image else { return }
    tokens = tokens.map { $0 + images * encoder.tokenCount * encoder.patchWidth }
  }
}
