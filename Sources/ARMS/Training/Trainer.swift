/// Trains a router in its host's process: head and candidates, and as much of the encoders as the scope says.
///
/// It works on float32 copies of what is trained, whatever the model file's type is; the router goes on with its own
/// weights until ``commit()``. What is frozen is encoded once for each query. Backward passes end at the lowest
/// trained layer. With adapters the encoders' weights stay, and of each layer two small matrices are trained
/// (``AdapterOptions``). Candidates' profiles are embedded anew in every step in which the text encoder is trained.
///
/// Same weights, data, options and thread count give the same bits. One thread at a time; routing goes on beside it.
/// Method: paper, sections 4.2 and 5.1.4; AdamW after Loshchilov and Hutter, arXiv 1711.05101.
public final class Trainer {
  let router: Router
  /// The router's weights and candidates when the trainer was made.
  let base: RouterSnapshot
  let options: TrainingOptions
  /// Whose networks: 0 the first router's, 1 the second's of a cascade.
  let number: Int
  let network: RouterNetwork
  /// Its candidates in ``base``.
  let pool: CandidatePool
  /// Of its own: routing goes on beside it, and what training allocates goes with it.
  let engine: Engine
  let parameters: ParameterSet
  /// The encoder weights that the adapters among the parameters change; nil without adapters.
  let adapted: AdaptedWeights?
  let text: TrainedText
  /// nil: the router looks at no image.
  let image: TrainedImage?
  /// The layers on the parameters.
  let head: Head
  let candidates: CandidateWeights
  /// The tokens of each candidate's profile; empty if the text encoder is frozen.
  let profiles: [[Int32]]
  /// What frozen layers made of profiles.
  let profileCache = FeatureCache()
  let optimizer: AdamW
  /// What the present step minimises.
  var loss = OutcomeLoss()
  /// How far the last run is; nil before the first.
  var run: TrainingRun?
  /// Whether ``run`` was read from a checkpoint, and goes on with the next call of ``train(_:validation:checkpoint:progress:)``.
  var isResumed = false
  /// Names the router and its candidates as the trainer found them.
  private(set) lazy var baseHash = base.fingerprint()
  /// The weights that the router has as far as this trainer knows.
  var present: RouterModel
  /// The candidates of ``pool`` as the router was last given them: those it still has so are the same ones.
  var committed: CandidatePool
  /// The last two data sets that were read, and how large they were: one is trained on, one measured on, by turns.
  private var lastSets: [(data: DataSet, queries: Int, outcomes: Int, set: TrainingSet)] = []
  /// What the candidates are embedded to, `[candidates, d_t]`.
  private let embeddings: AlignedBuffer

  /// Makes a trainer for router `number` of the file, 0 or 1.
  ///
  /// Throws `invalidArgument` for options or a scope that make no sense, or candidates without a profile where the
  /// text encoder is to be trained; `noCandidates`; `unsupported` without OpenBLAS, or for an encoder that both
  /// routers of a cascade share; `outOfMemory`.
  public init(
    _ router: Router, number: Int = 0, options: TrainingOptions = TrainingOptions()
  ) throws(ARMSError) {
    try options.validate()
    let base = router.snapshots.load()
    let network = try base.model.network(number)
    try BLAS.load()
    let pool = base.pools[number]
    guard pool.count > 0 else {
      throw ARMSError(.noCandidates, "the router has no candidate to train on; add one")
    }
    let plan = try TrainingPlan(
      base, number: number, limits: router.limits, scope: options.scope,
      adapters: options.adapters)
    let parameters = try plan.parameters()
    adapted = try plan.adaptedWeights(parameters, seed: options.seed)
    let embeddings = try AlignedBuffer(
      Float.self, count: pool.count * network.text.width, purpose: "\(pool.count) profiles")
    embeddings.pointer(to: Float.self).update(from: pool.embeddings, count: pool.count * network.text.width)
    (text, image, head) = try plan.layers(on: parameters, adapted)
    candidates = CandidateWeights(
      count: pool.count, embeddings: embeddings.pointer(to: Float.self),
      deltas: try parameters.start(of: plan.deltaName), betas: try parameters.start(of: plan.betaName))
    profiles = try plan.profileTokens()
    optimizer = try AdamW(
      parameters, options: AdamW.Options(weightDecay: options.weightDecay, clip: options.clip))
    engine = Engine(threads: options.threads > 0 ? options.threads : router.engine.pool.threads)
    self.embeddings = embeddings
    present = base.model
    committed = pool
    self.parameters = parameters
    self.router = router
    self.base = base
    self.options = options
    self.number = number
    self.network = network
    self.pool = pool
  }

  /// `m_j`, written anew when the text encoder has changed.
  var profileEmbeddings: UnsafeMutablePointer<Float> { embeddings.pointer(to: Float.self) }

  /// All trained parameters in one buffer, float32. Valid as long as the trainer.
  public var values: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: parameters.values, count: parameters.count)
  }

  /// The gradients of all trained parameters, in the places of their parameters, for hosts that train data-parallel:
  /// compute, exchange, then apply. Valid as long as the trainer.
  public var gradients: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: parameters.gradients, count: parameters.count)
  }

  /// The names of the trained parameters as in the model file (FORMAT.md), with the place of each in the buffers.
  public var layout: [(name: String, range: Range<Int>)] {
    parameters.entries.map { ($0.parameter.name, $0.offset..<$0.offset + $0.parameter.count) }
  }

  /// The queries of a data set as this trainer reads them.
  func trainingSet(_ data: DataSet, hashed: Bool = false) throws(ARMSError) -> TrainingSet {
    let samples = try data.samples
    let outcomes = samples.reduce(0) { $0 + $1.outcomes.count }
    let others = lastSets.filter { $0.data !== data }
    // A data set only grows.
    let known = lastSets.first {
      $0.data === data && $0.queries == samples.count && $0.outcomes == outcomes
        && (!hashed || !$0.set.hash.isEmpty)
    }
    if let known {
      lastSets = others + [known]
      return known.set
    }
    var places: [String: Int] = [:]
    for (place, candidate) in pool.candidates.enumerated() { places[candidate.name] = place }
    // Without names a cache could take one encoder's for another's.
    let isNamed = text.featureName != nil && (image == nil || image?.featureName != nil)
    let cache = isNamed ? data.features : FeatureCache()
    cache.forget(except: [text.featureName, image?.featureName].compactMap { $0 })
    let set = try TrainingSet(samples, network: network, places: places, cache: cache, hashed: hashed)
    lastSets = others.suffix(1) + [(data, samples.count, outcomes, set)]
    return set
  }
}

extension ParameterSet {
  /// Where the parameter of that name begins.
  func start(of name: String) throws(ARMSError) -> UnsafePointer<Float> {
    guard let entry = self[name] else { throw ARMSError(.internal, "there is no parameter \(name)") }
    return UnsafePointer(values + entry.offset)
  }
}
