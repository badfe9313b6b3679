extension Trainer {
  /// Computes the gradients of the mean weighted loss of the queries at `places` of a data set, and returns that
  /// loss. They go to ``gradients``.
  ///
  /// The loss is that of a run, with the routing term, and with classes balanced over the whole data set, whatever the
  /// places are.
  ///
  /// Throws `unsupported` for options that only a run follows, a teacher or a start at base rates, `invalidArgument` for
  /// a place that is none, and as ``train(_:validation:checkpoint:progress:)``.
  public func computeGradients(_ data: DataSet, at places: [Int]) throws(ARMSError) -> Double {
    try checkStepsByHand()
    let set = try trainingSet(data)
    for place in places where !set.queries.indices.contains(place) {
      throw ARMSError(
        .invalidArgument,
        "there is no query \(UInt(bitPattern: place)); the data set has \(set.queries.count)")
    }
    guard !places.isEmpty else {
      throw ARMSError(.invalidArgument, "there is no query to compute gradients of; name one at least")
    }
    loss = objective(over: set.queries)
    return try computeGradients(set, at: places[...])
  }

  /// A teacher reads all queries before the first step, and so do base rates: a step alone has neither.
  private func checkStepsByHand() throws(ARMSError) {
    guard options.teacherWeight == 0, !options.startsAtBaseRates else {
      throw ARMSError(
        .unsupported,
        "the trainer has \(options.teacherWeight > 0 ? "a teacher" : "a start at base rates"), which only a run follows; "
          + "make a trainer without it to compute gradients")
    }
  }

  /// Changes the parameters by one step of AdamW with the present gradients.
  ///
  /// Throws `invalidArgument` for a rate below 0, and `notFinite`, changing nothing, if rate or gradients are not
  /// finite.
  public func applyGradients(rate: Double) throws(ARMSError) {
    guard rate.isFinite else {
      throw ARMSError(.notFinite, "learning_rate is \(rate); a finite number is wanted")
    }
    guard rate >= 0 else {
      throw ARMSError(.invalidArgument, "learning_rate is \(rate); 0 or more is wanted")
    }
    try engine.execute { (execution) throws(ARMSError) in
      try optimizer.apply(rate: rate, on: execution)
    }
  }

  /// Computes the gradients of the mean loss of the queries at `places`, in passes, and returns that loss.
  func computeGradients(_ set: TrainingSet, at places: ArraySlice<Int>) throws(ARMSError) -> Double {
    let totalWeight = loss.totalWeight(set.queries, at: places)
    try adapted?.merge(on: engine)
    let profiles = try embedProfiles(of: places.map { set.queries[$0] }, bfloat16: options.usesBFloat16)
    var sum = 0.0
    var written = WrittenGradients()
    for pass in places.passes(of: options.queriesPerPass) {
      sum += try execute(bfloat16: options.usesBFloat16) { (execution) throws(ARMSError) in
        try backward(
          pass.map { set.queries[$0] }, cache: set.cache, totalWeight: totalWeight, &written, on: execution)
      }
    }
    try backwardProfiles(profiles, &written)
    clearUnwritten(written)
    return totalWeight > 0 ? sum / totalWeight : 0
  }

  /// Runs `body` with products in bfloat16, or in float32.
  private func execute<R>(
    bfloat16: Bool, _ body: (Execution) throws(ARMSError) -> R
  ) throws(ARMSError) -> R {
    try engine.execute { (execution) throws(ARMSError) in
      try body(bfloat16 ? execution.roundingProducts() : execution)
    }
  }

  /// Forward and backward through everything that is trained; returns the sum of the weighted losses.
  private func backward(
    _ queries: [TrainingQuery], cache: FeatureCache, totalWeight: Double, _ written: inout WrittenGradients,
    on execution: Execution
  ) throws(ARMSError) -> Double {
    let arena = execution.arena
    let pass = try forward(queries, cache: cache, on: execution)
    defer { extendLifetime(pass.images) }
    let dy = try arena.allocate(Float.self, queries.count * candidates.count)
    let sum = loss.gradient(
      pass.batch, logits: pass.kept.classifier.logits, candidates: candidates.count, totalWeight: totalWeight,
      into: dy)
    var wanted = HeadInputGradients()
    if pass.texts.kept != nil {
      wanted.question = try arena.allocate(Float.self, queries.count * head.questionWidth)
    }
    if let encoder = image?.encoder, pass.images.kept != nil {
      let tokenFloats = pass.images.count * encoder.tokenCount * encoder.patchWidth
      wanted.image = try arena.allocate(Float.self, queries.count * head.imageWidth)
      wanted.tokens = try arena.allocate(Float.self, tokenFloats)
      wanted.tokens?.update(repeating: 0, count: tokenFloats)
    }
    try head.backward(
      pass.batch.input, candidates: candidates, kept: pass.kept, dy: dy, wanted: wanted,
      into: Gradients(of: parameters, accumulates: written.head), on: execution)
    written.head = true
    if let kept = pass.texts.kept, let question = wanted.question {
      try text.encoder.backward(
        kept: kept, dy: question, into: Gradients(of: parameters, accumulates: written.text), on: execution)
      written.text = true
    }
    if let kept = pass.images.kept, let pooled = wanted.image, let tokens = wanted.tokens,
      let values = pass.images.trainedTokens, let encoder = image?.encoder
    {
      try encoder.backward(
        kept: kept, tokens: values, pooledGradient: try spread(pooled, pass.images, in: arena),
        tokenGradient: tokens, into: Gradients(of: parameters, accumulates: written.image), on: execution)
      written.image = true
    }
    return sum
  }

  /// From the gradient of each query's `g`, `[queries, d_v]`, to that of each image, `[images, d_v]`: of several images
  /// `g` is the mean.
  private func spread(
    _ gradient: UnsafePointer<Float>, _ images: ImagePass, in arena: ScratchArena
  ) throws(ARMSError) -> UnsafeMutablePointer<Float> {
    let width = head.imageWidth
    let each = try arena.allocate(Float.self, images.count * width)
    var query = 0
    for number in 0..<images.count {
      while images.starts[query + 1] <= number { query += 1 }
      let share = Float(images.starts[query + 1] - images.starts[query])
      for column in 0..<width { each[number * width + column] = gradient[query * width + column] / share }
    }
    return each
  }

  /// Sets the gradients to 0 of encoders that no query of the batch ran through.
  private func clearUnwritten(_ written: WrittenGradients) {
    for entry in parameters.entries {
      let name = entry.parameter.name
      let isText = text.layers != nil && name.hasPrefix(text.prefix.tensor + "t.")
      let isImage = image?.layers != nil && name.hasPrefix((image?.prefix.tensor ?? "") + "v.")
      if isText && !written.text || isImage && !written.image {
        (parameters.gradients + entry.offset).update(repeating: 0, count: entry.parameter.count)
      }
    }
  }
}

/// Which parts of the gradients hold this batch's, so that what follows is added.
struct WrittenGradients {
  var text = false
  var image = false
  var head = false
}

/// Queries of one pass behind the head.
struct ForwardPass {
  let texts: TextPass
  let images: ImagePass
  let batch: TrainingBatch
  let kept: Head.Kept
}

extension Trainer {
  /// Runs queries through encoders and head, keeping what the backward pass reads.
  func forward(
    _ queries: [TrainingQuery], cache: FeatureCache, on execution: Execution
  ) throws(ARMSError) -> ForwardPass {
    let texts = try encode(
      queries.map {
        TrainingText(tokens: $0.question, label: "samples[\($0.number)].question")
      }, cache: cache, on: execution)
    let images = try encodeImages(of: queries, cache: cache, on: execution)
    let batch = try TrainingBatch(
      queries, texts: texts, images: images, tokensPerImage: image?.encoder.tokenCount ?? 0, head: head,
      in: execution.arena)
    let kept = try Head.Kept(head, batch.input, candidates: candidates, in: execution.arena)
    try head.forward(batch.input, candidates: candidates, keeping: kept, on: execution)
    return ForwardPass(texts: texts, images: images, batch: batch, kept: kept)
  }

  /// Embeds the profiles of the candidates that the queries have outcomes of with the text encoder as it is now;
  /// returns their places. None if the encoder is frozen.
  @discardableResult
  func embedProfiles(of queries: [TrainingQuery], bfloat16: Bool) throws(ARMSError) -> [Int] {
    guard text.layers != nil else { return [] }
    let places = Set(queries.lazy.flatMap(\.outcomes).map(\.candidate)).sorted()
    for pass in places[...].passes(of: options.queriesPerPass) {
      try execute(bfloat16: bfloat16) { (execution) throws(ARMSError) in
        let encoded = try encode(pass.map(profile), cache: profileCache, on: execution)
        for (row, place) in pass.enumerated() {
          (profileEmbeddings + place * head.questionWidth).update(
            from: encoded.pooled + row * head.questionWidth, count: head.questionWidth)
        }
      }
    }
    return places
  }

  /// From the gradients of `m_j` to those of the text encoder. They are those of `delta_j`, since the head reads the
  /// sum of both. The activations are computed again: a pool may be large, and a batch's must fit beside it.
  private func backwardProfiles(
    _ places: [Int], _ written: inout WrittenGradients
  ) throws(ARMSError) {
    let width = head.questionWidth
    let deltas = Gradients(of: parameters, accumulates: true).of(candidates.deltas)
    for pass in places[...].passes(of: options.queriesPerPass) {
      try execute(bfloat16: options.usesBFloat16) { (execution) throws(ARMSError) in
        guard let kept = try encode(pass.map(profile), cache: profileCache, on: execution).kept else {
          return
        }
        let gradient = try execution.arena.allocate(Float.self, pass.count * width)
        for (row, place) in pass.enumerated() {
          (gradient + row * width).update(from: deltas + place * width, count: width)
        }
        try text.encoder.backward(
          kept: kept, dy: gradient, into: Gradients(of: parameters, accumulates: written.text), on: execution)
      }
      written.text = true
    }
  }

  private func profile(_ place: Int) -> TrainingText {
    TrainingText(
      tokens: profiles[place],
      label: "the profile of \(quoted(pool.candidates[place].name))")
  }
}
