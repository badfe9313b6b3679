/// Samples to train on and to evaluate with. It only grows, and holds copies of what it is given.
///
/// Samples of one query are joined: the same bytes of the question and the same images, given in the same way. So
/// a log may be appended row by row, and a query is encoded once for all its outcomes. An image that many
/// queries share is kept once.
///
/// Safe to use from any number of threads at once. A training run reads what was appended before it began.
public final class DataSet: Sendable {
  private let contents = ForkSafe(Contents()) { Contents(isLost: true) }
  /// What frozen encoders made of the samples.
  let features = FeatureCache()

  /// Makes an empty data set.
  public init() {}

  /// Appends samples, all or none.
  ///
  /// Throws `invalidArgument`, `notFinite`, and `alreadyExists` for a second outcome of a candidate for one
  /// query; the message names the sample and the field. `unsupported` in a child of a fork in which another thread was
  /// changing the data set.
  public func append(_ samples: [Sample]) throws(ARMSError) {
    for (index, sample) in samples.enumerated() { try sample.validate("samples[\(index)]") }
    try change(by: samples) { (contents, queries) throws(ARMSError) in
      try contents.checkCandidates(of: samples, queries)
      contents.join(samples, queries)
    }
  }

  /// Appends samples of another data set without the outcomes of candidates that have one for the same query here.
  ///
  /// Throws `unsupported` as ``append(_:)``.
  func appendUnknown(_ samples: [Sample]) throws(ARMSError) {
    try change(by: samples) { (contents, queries) in
      contents.join(zip(samples, queries).map { contents.unknown(of: $0, $1) }, queries)
    }
  }

  /// Runs `body` with the contents and the queries of `samples`, which are hashed before the lock is taken.
  private func change(
    by samples: [Sample], _ body: (Contents, [SampleQuery]) throws(ARMSError) -> Void
  ) throws(ARMSError) {
    let queries = samples.map { SampleQuery($0) }
    try withContents { (contents) throws(ARMSError) in
      try body(contents, queries)
    }
  }

  /// Queries: samples of one query count once. 0 where ``samples`` throws.
  public var count: Int { (try? counts)?.queries ?? 0 }

  /// Outcomes of all queries. 0 where ``samples`` throws.
  public var outcomeCount: Int { (try? counts)?.outcomes ?? 0 }

  /// Both counts, of one moment. Throws as ``samples``.
  package var counts: (queries: Int, outcomes: Int) {
    get throws(ARMSError) {
      try withContents { (contents) throws(ARMSError) in (contents.samples.count, contents.outcomeCount) }
    }
  }

  /// Bytes held: of the samples, and of what frozen layers made of them for the next epoch. Throws as ``samples``.
  public var memory: (samples: Int, features: Int) {
    get throws(ARMSError) {
      (try withContents { (contents) throws(ARMSError) in contents.byteCount }, features.byteCount)
    }
  }

  /// The samples, joined, in the order in which their queries first came. A later one may add outcomes to a
  /// sample, but moves none.
  ///
  /// Throws `unsupported` if a thread that did not survive a fork left them half changed.
  public var samples: [Sample] {
    get throws(ARMSError) { try withContents { (contents) throws(ARMSError) in contents.samples } }
  }

  /// Runs `body` with the contents, alone. Throws as ``samples``.
  private func withContents<R>(_ body: (Contents) throws(ARMSError) -> R) throws(ARMSError) -> R {
    try contents.withValue { (contents) throws(ARMSError) in
      guard !contents.isLost else {
        throw ARMSError(
          .unsupported,
          "another thread was changing the data set when this process was forked; make a new one")
      }
      return try body(contents)
    }
  }
}

/// What a data set holds.
private final class Contents {
  var samples: [Sample] = []
  var outcomeCount = 0
  /// Of questions, images and outcomes.
  var byteCount = 0
  /// Whether a fork has lost what was here.
  let isLost: Bool
  /// The sample of each query.
  private var places: [SampleQuery: Int] = [:]
  private var images: Set<Sample.Image> = []

  init(isLost: Bool = false) { self.isLost = isLost }

  /// Throws if a candidate has an outcome for the same query already, here or among `samples`.
  func checkCandidates(of samples: [Sample], _ queries: [SampleQuery]) throws(ARMSError) {
    var fresh: [SampleQuery: Set<String>] = [:]
    for (index, (sample, query)) in zip(samples, queries).enumerated() {
      let known = places[query].map { self.samples[$0].outcomes } ?? []
      for (number, outcome) in sample.outcomes.enumerated() {
        guard fresh[query, default: []].insert(outcome.candidate).inserted,
          !known.contains(where: { $0.candidate == outcome.candidate })
        else {
          throw ARMSError(
            .alreadyExists,
            "samples[\(index)].outcomes[\(number)] is the second of \(quoted(outcome.candidate)) "
              + "for the question \(quoted(sample.question)); give one outcome a candidate and query")
        }
      }
    }
  }

  /// The sample with the outcomes of candidates that have none for the query yet.
  func unknown(of sample: Sample, _ query: SampleQuery) -> Sample {
    guard let place = places[query] else { return sample }
    let known = Set(samples[place].outcomes.map(\.candidate))
    var sample = sample
    sample.outcomes.removeAll { known.contains($0.candidate) }
    return sample
  }

  /// Appends samples that were checked.
  func join(_ samples: [Sample], _ queries: [SampleQuery]) {
    for (sample, query) in zip(samples, queries) {
      outcomeCount += sample.outcomes.count
      byteCount += sample.outcomes.count * MemoryLayout<Outcome>.stride
      if let place = places[query] {
        self.samples[place].outcomes += sample.outcomes
        continue
      }
      var sample = sample
      byteCount += sample.question.utf8.count
      sample.images = sample.images.map { image in
        let (isNew, kept) = images.insert(image)
        if isNew { byteCount += image.byteCount }
        return kept
      }
      places[SampleQuery(sample)] = self.samples.count
      self.samples.append(sample)
    }
  }
}

/// A question and its images, equal to another when the bytes are: a `String` alone is also equal to another
/// spelling in Unicode, which a tokenizer may read differently.
private struct SampleQuery: Hashable {
  private let question: String
  private let images: [Sample.Image]
  private let hash: Int

  init(_ sample: Sample) {
    var text = sample.question
    var hasher = Hasher()
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    question = text
    images = sample.images
    hasher.combine(images)
    hash = hasher.finalize()
  }

  static func == (left: SampleQuery, right: SampleQuery) -> Bool {
    left.hash == right.hash && left.question.utf8.elementsEqual(right.question.utf8)
      && left.images == right.images
  }

  func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
