import Glibc

/// What is minimised, and where it begins.
extension Trainer {
  /// The loss that the options ask for.
  func objective(over queries: [TrainingQuery]) -> OutcomeLoss {
    let routing =
      options.routingWeight > 0
      ? RoutingTerm(weight: Float(options.routingWeight), sharpness: Float(options.routingSharpness)) : nil
    return options.balancesClasses
      ? .balanced(over: queries, routing: routing) : OutcomeLoss(routing: routing)
  }

  /// The queries with the labels that a teacher gives them, if one is wanted.
  func taught(_ set: TrainingSet) throws(ARMSError) -> TrainingSet {
    guard options.teacherWeight > 0 else { return set }
    try KernelTeacher.check(set.queries.count)
    let embeddings = try questionEmbeddings(set)
    let teacher = try KernelTeacher(
      set.queries, embeddings: embeddings.pointer(to: Float.self), width: network.text.width,
      candidates: candidates.count, ridge: options.teacherRidge, on: engine)
    extendLifetime(embeddings)
    return TrainingSet(
      queries: try teacher.teach(weight: Float(options.teacherWeight)), cache: set.cache, hash: set.hash)
  }

  /// What the router's text encoder makes of the questions, `[queries, d_t]`, whatever is trained.
  private func questionEmbeddings(_ set: TrainingSet) throws(ARMSError) -> AlignedBuffer {
    let width = network.text.width
    let buffer = try AlignedBuffer(Float.self, count: set.queries.count * width, purpose: "questions")
    for (row, query) in set.queries.enumerated() {
      let target = buffer.pointer(to: Float.self) + row * width
      if text.layers == nil {
        let question = TrainingText(
          tokens: query.question, label: "samples[\(query.number)].question")
        let known = try features(of: question, cache: set.cache)
        target.update(from: known.pointer(to: Float.self), count: width)
      } else {
        try embed(query.question, into: target)
      }
    }
    return buffer
  }

  private func embed(_ tokens: [Int32], into out: UnsafeMutablePointer<Float>) throws(ARMSError) {
    try tokens.withUnsafeBufferPointer { (tokens) throws(ARMSError) in
      try [Query(.tokens(tokens))].withViews { (views) throws(ARMSError) in
        try engine.execute { (execution) throws(ARMSError) in
          let encoded = try network.text.encode(views, on: execution)
          out.update(from: encoded.pooled, count: network.text.width)
        }
      }
    }
  }

  /// The candidates' offsets `beta_j`.
  var offsets: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      start: parameters.values + (candidates.betas - UnsafePointer(parameters.values)),
      count: candidates.count)
  }

  /// Sets each offset that is 0 to the logarithm of the odds of the candidate's outcomes, one of each label added.
  func startAtBaseRates(_ queries: [TrainingQuery]) {
    guard case .scaled = head.classifier.logit else { return }
    var counts = [(wrong: Float, right: Float)](repeating: (1, 1), count: candidates.count)
    for outcome in queries.lazy.flatMap(\.outcomes) {
      let (weight, label) = (loss.weight(of: outcome), loss.label(of: outcome))
      counts[outcome.candidate].right += weight * label
      counts[outcome.candidate].wrong += weight * (1 - label)
    }
    for (candidate, count) in counts.enumerated() where offsets[candidate] == 0 {
      offsets[candidate] = logf(count.right / count.wrong)
    }
  }
}
