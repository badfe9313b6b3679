/// A query as the trainer reads it.
struct TrainingQuery {
  /// Its place in the data set.
  let number: Int
  /// Token ids, [CLS] and [SEP] included.
  let question: [Int32]
  let images: [Sample.Image]
  /// Those of other candidates are masked.
  let outcomes: [EncodedOutcome]
}

/// The queries of a data set, tokenised and with their candidates found.
struct TrainingSet {
  let queries: [TrainingQuery]
  /// What frozen layers made of them so far.
  let cache: FeatureCache
  /// Names questions, images and outcomes; empty if it was not asked for.
  let hash: String

  init(queries: [TrainingQuery], cache: FeatureCache, hash: String) {
    self.queries = queries
    self.cache = cache
    self.hash = hash
  }

  /// The queries of `samples` for `network`, whose candidates have these places by name.
  ///
  /// Throws `notFound` or `limitExceeded`, naming the sample.
  init(
    _ samples: [Sample], network: RouterNetwork, places: [String: Int], cache: FeatureCache, hashed: Bool
  ) throws(ARMSError) {
    let (encoder, mostImages) = (network.text, network.head.maxImages)
    let room = UnsafeMutableBufferPointer<Int32>.allocate(capacity: encoder.contextLength)
    defer { room.deallocate() }
    var queries: [TrainingQuery] = []
    queries.reserveCapacity(samples.count)
    for (number, sample) in samples.enumerated() {
      guard sample.images.count <= mostImages else {
        throw ARMSError(
          .limitExceeded,
          "samples[\(number)] has \(sample.images.count) images; the router takes \(mostImages) at most")
      }
      let (count, _) = try encoder.tokenizer.encode(sample.question, into: room)
      let outcomes = try sample.outcomes.map { (outcome) throws(ARMSError) in
        guard let place = places[outcome.candidate] else {
          throw ARMSError(
            .notFound,
            "samples[\(number)]: there is no candidate \(quoted(outcome.candidate)) "
              + "among the \(places.count) that are trained; add it to the router first")
        }
        return EncodedOutcome(candidate: place, label: outcome.label, weight: outcome.weight)
      }
      queries.append(
        TrainingQuery(
          number: number, question: Array(room[..<count]), images: sample.images, outcomes: outcomes))
    }
    self.init(queries: queries, cache: cache, hash: hashed ? Self.hash(of: samples) : "")
  }

  /// SHA-256 over everything in the samples that a run depends on. Of an image that is a path only the path counts.
  private static func hash(of samples: [Sample]) -> String {
    var hash = SHA256()
    var images: [ObjectIdentifier: String] = [:]
    for sample in samples {
      hash.update(delimited: sample.question)
      hash.update(UInt64(sample.images.count))
      for image in sample.images {
        let known = images[ObjectIdentifier(image)] ?? image.contentDigest()
        images[ObjectIdentifier(image)] = known
        hash.update(delimited: known)
      }
      hash.update(UInt64(sample.outcomes.count))
      for outcome in sample.outcomes {
        hash.update(delimited: outcome.candidate)
        hash.update(outcome.label.bitPattern)
        hash.update(outcome.weight.bitPattern)
      }
    }
    return hash.hexDigest()
  }

  /// The places of all queries.
  var places: ArraySlice<Int> { Array(queries.indices)[...] }
}

extension Sample.Image {
  /// SHA-256 over how the image was given and its content.
  func contentDigest() -> String {
    var hash = SHA256()
    let input = input
    hash.update(UInt8(input.exact ? 1 : 0))
    func update(_ kind: String, _ bytes: UnsafeRawBufferPointer, _ sizes: Int...) {
      hash.update(delimited: kind)
      for size in sizes { hash.update(UInt64(size)) }
      hash.update(bytes)
    }
    switch input.source {
    case .encoded(let bytes): update("encoded", bytes)
    case .path(let path): hash.update(delimited: "path " + path)
    case .rgb8(let bytes, let width, let height, _): update("rgb8", bytes, width, height)
    case .rgba8(let bytes, let width, let height, _): update("rgba8", bytes, width, height)
    case .gray8(let bytes, let width, let height, _): update("gray8", bytes, width, height)
    case .prepared(let floats): update("prepared", UnsafeRawBufferPointer(floats))
    }
    extendLifetime(self)
    return hash.hexDigest()
  }
}

extension ArraySlice<Int> {
  /// The slice in parts of at most `size`.
  func passes(of size: Int) -> [ArraySlice<Int>] {
    // A size near Int.max must not overflow.
    let size = Swift.max(1, Swift.min(size, count))
    return stride(from: startIndex, to: endIndex, by: size).map { self[$0..<Swift.min($0 + size, endIndex)] }
  }
}
