extension RouterNetwork {
  /// The candidates that the file holds for this router, number 0 or 1. A profile that another text encoder
  /// embedded is embedded again.
  ///
  /// Throws `invalidModel`, whatever is wrong with them, but for `outOfMemory`.
  func storedCandidates(in file: ModelFile, number: Int, on engine: Engine) throws(ARMSError) -> CandidatePool
  {
    do throws(ARMSError) {
      return try readCandidates(in: file, number: number, on: engine)
    } catch {
      throw error.code == .outOfMemory || error.code == .invalidModel ? error : file.invalid(error.message)
    }
  }

  private func readCandidates(
    in file: ModelFile, number: Int, on engine: Engine
  ) throws(ARMSError) -> CandidatePool {
    let prefix = RouterPrefix(router: number)
    let key = "\(prefix.key)candidate"
    let (count, width) = (try Self.candidateCount(in: file, key: key), text.width)
    guard count > 0 else { return try pool(of: [], on: engine) }
    try checkCount(count)
    let reader = WeightReader(file: file, prefix: prefix.tensor)
    let stored = try reader.float("candidate.embedding", [count, width])
    let deltas = try reader.float("candidate.delta", [count, width])
    let beta = try reader.vector("candidate.beta", count)
    let temperature = try reader.vector("candidate.temperature", count)
    let bias = try reader.vector("candidate.bias", count)
    var candidates = try Self.candidates(in: file, key: key, number: number)
    let embeddings = try AlignedBuffer(Float.self, count: count * width, purpose: "\(count) candidates")
    let target = embeddings.pointer(to: Float.self)
    target.update(from: stored, count: count * width)
    var stale: [(place: Int, sentence: String)] = []
    for index in 0..<count {
      candidates[index].beta = beta[index]
      candidates[index].temperature = temperature[index]
      candidates[index].bias = bias[index]
      let (made, profile) = (candidates[index].encoderHash, candidates[index].profile)
      if !made.isEmpty, made != text.hash {
        stale.append((index, profile))
        candidates[index].encoderHash = text.hash
      }
      // Stored and given embeddings alike are as good as a profile.
      var checked = candidates[index]
      if made.isEmpty { checked.profile = "given" }
      try file.checking { () throws(ARMSError) in
        try checked.validate(embeddingWidth: width)
      }
    }
    try embed(stale, into: target, on: engine)
    return try file.checking { () throws(ARMSError) in
      try CandidatePool(
        candidates, embeddings: target, deltas: deltas, classifier: head.classifier, on: engine)
    }
  }

  /// How many candidates a file claims, on which its arrays agree. Nothing is made of them before its tensors do, too:
  /// a small file can claim millions of empty names.
  private static func candidateCount(in file: ModelFile, key: String) throws(ARMSError) -> Int {
    guard let names = file.value("\(key).names") else { return 0 }
    for name in CandidatePool.keys {
      guard let count = file.value("\(key).\(name)")?.count, count != names.count else { continue }
      throw file.invalid("\(key).\(name) has \(count) entries for \(names.count) names")
    }
    return names.count
  }

  private static func candidates(
    in file: ModelFile, key: String, number: Int
  ) throws(ARMSError) -> [Candidate] {
    let names = try file.stringArray("\(key).names")
    let profiles = try file.stringArray("\(key).profiles")
    let encoders = try file.stringArray("\(key).encoders")
    let costs = try file.float64Array("\(key).costs")
    let latencies = try file.float64Array("\(key).latencies")
    let images = try file.int32Array("\(key).max_images")
    let enabled = try file.boolArray("\(key).enabled")
    return names.indices.map { index in
      var candidate = Candidate(
        name: names[index], profile: profiles[index], cost: costs[index].isNaN ? nil : costs[index],
        latency: latencies[index].isNaN ? nil : latencies[index],
        maxImages: images[index] == 0 ? nil : Int(max(0, images[index])), isEnabled: enabled[index],
        router: number)
      candidate.encoderHash = encoders[index]
      candidate.hasGivenEmbedding = encoders[index].isEmpty
      return candidate
    }
  }
}

extension ModelFile {
  /// Runs `body`; a value that it refuses makes the file an invalid one.
  fileprivate func checking<R>(_ body: () throws(ARMSError) -> R) throws(ARMSError) -> R {
    do {
      return try body()
    } catch {
      throw error.code == .invalidArgument || error.code == .notFinite ? invalid(error.message) : error
    }
  }
}

extension CandidatePool {
  /// What a file has of candidates: keys behind `arms.candidate.`, and tensors behind `candidate.`.
  static let keys = ["names", "profiles", "encoders", "costs", "latencies", "max_images", "enabled"]
  static let tensors = ["embedding", "delta", "beta", "temperature", "bias"]

  /// Adds the keys and tensors of these candidates to a file that is being written. The pool must live until
  /// it is.
  func write(to writer: inout GGUFWriter, number: Int) {
    guard count > 0 else { return }
    let prefix = RouterPrefix(router: number)
    let key = "\(prefix.key)candidate"
    writer.set("\(key).names", .stringArray(candidates.map(\.name)))
    writer.set("\(key).profiles", .stringArray(candidates.map(\.profile)))
    writer.set("\(key).encoders", .stringArray(candidates.map(\.encoderHash)))
    writer.set("\(key).costs", .float64Array(candidates.map { $0.cost ?? .nan }))
    writer.set("\(key).latencies", .float64Array(candidates.map { $0.latency ?? .nan }))
    writer.set("\(key).enabled", .boolArray(candidates.map(\.isEnabled)))
    writer.set(
      "\(key).max_images",
      .int32Array(
        candidates.map { candidate in
          candidate.maxImages.map { $0 == 0 ? -1 : Int32(clamping: $0) } ?? 0
        }))
    func add(_ name: String, _ shape: [Int], _ start: UnsafeRawPointer) {
      let bytes = shape.reduce(MemoryLayout<Float>.stride, *)
      writer.add(
        tensor: "\(prefix.tensor)candidate.\(name)", type: .f32, shape: shape,
        data: UnsafeRawBufferPointer(start: start, count: bytes))
    }
    add("embedding", [count, embeddingWidth], embeddings)
    add("delta", [count, embeddingWidth], deltas)
    add("beta", [count], numbers.beta)
    add("temperature", [count], numbers.temperature)
    add("bias", [count], numbers.bias)
  }
}
