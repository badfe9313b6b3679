/// The candidates of one router, with all that scoring needs of them. Immutable.
final class CandidatePool: @unchecked Sendable {
  // Immutable after the initialiser; the buffers are its own. That is why @unchecked holds.
  let candidates: [Candidate]
  let numbers: CandidateNumbers
  /// How often each was chosen.
  let choices: [ChoiceCounter]
  /// `d_t`
  let embeddingWidth: Int
  /// `r`
  let keyWidth: Int
  private let embeddingBuffer: AlignedBuffer
  private let deltaBuffer: AlignedBuffer
  private let keyBuffer: AlignedBuffer

  var count: Int { candidates.count }
  /// `[count, embeddingWidth]`: the profiles `m_j`.
  var embeddings: UnsafeMutablePointer<Float> { embeddingBuffer.pointer(to: Float.self) }
  /// `[count, embeddingWidth]`: the learned residuals `delta_j`.
  var deltas: UnsafeMutablePointer<Float> { deltaBuffer.pointer(to: Float.self) }
  /// `[count, keyWidth]`: the normalised `W_m (m_j + delta_j)`.
  var keys: UnsafeMutablePointer<Float> { keyBuffer.pointer(to: Float.self) }
  var byteCount: Int { embeddingBuffer.byteCount + deltaBuffer.byteCount + keyBuffer.byteCount }

  /// The most floats of the embeddings, or of the keys, of one router's candidates: 1 GB.
  private static let floatLimit = 1 << 28

  /// Throws `limitExceeded` for more candidates than are kept. A file has no keys, so that a small one could ask for
  /// any number of them.
  static func checkCount(_ count: Int, embeddingWidth: Int, keyWidth: Int) throws(ARMSError) {
    let most = floatLimit / max(embeddingWidth, keyWidth)
    guard count <= most else {
      throw ARMSError(
        .limitExceeded,
        "there are \(count) candidates; at most \(most) are kept at a text width of \(embeddingWidth) and a shared "
          + "width of \(keyWidth)")
    }
  }

  private init(
    _ candidates: [Candidate], choices: [ChoiceCounter], embeddingWidth: Int, keyWidth: Int
  ) throws(ARMSError) {
    let count = candidates.count
    try Self.checkCount(count, embeddingWidth: embeddingWidth, keyWidth: keyWidth)
    self.candidates = candidates
    self.choices = choices
    numbers = try CandidateNumbers(candidates)
    self.embeddingWidth = embeddingWidth
    self.keyWidth = keyWidth
    let purpose = "\(count) candidates"
    embeddingBuffer = try AlignedBuffer(Float.self, count: count * embeddingWidth, purpose: purpose)
    deltaBuffer = try AlignedBuffer(Float.self, count: count * embeddingWidth, purpose: purpose)
    keyBuffer = try AlignedBuffer(Float.self, count: count * keyWidth, purpose: purpose)
  }

  /// A pool of new candidates: `embeddings` and `deltas` are `[count, d_t]`, `deltas` nil for zeros. The keys
  /// are computed.
  convenience init(
    _ candidates: [Candidate], embeddings: UnsafePointer<Float>, deltas: UnsafePointer<Float>?,
    classifier: Classifier, on engine: Engine
  ) throws(ARMSError) {
    let width = classifier.candidate.inputs
    try self.init(
      candidates, choices: candidates.map { _ in ChoiceCounter() }, embeddingWidth: width,
      keyWidth: classifier.sharedWidth)
    self.embeddings.update(from: embeddings, count: count * width)
    if let deltas { self.deltas.update(from: deltas, count: count * width) }
    // In pieces, so that the scratch memory for a hundred thousand stays small.
    for start in stride(from: 0, to: count, by: 256) {
      try engine.execute { (execution) throws(ARMSError) in
        let rows = min(256, count - start)
        let sum = try execution.arena.allocate(Float.self, rows * width)
        for index in 0..<rows * width {
          sum[index] = self.embeddings[start * width + index] + self.deltas[start * width + index]
        }
        try classifier.embedCandidates(sum, rows: rows, out: keys + start * keyWidth, on: execution)
      }
    }
    for index in 0..<count * width where !(self.embeddings[index] + self.deltas[index]).isFinite {
      throw damaged(index / width, "its embedding")
    }
    for index in 0..<count * keyWidth where !keys[index].isFinite {
      throw damaged(index / keyWidth, "its key")
    }
  }

  private func damaged(_ index: Int, _ what: String) -> ARMSError {
    ARMSError(
      .notFinite,
      "candidate \(quoted(candidates[index].name)): \(what) has NaN or infinite numbers; "
        + "check its embedding and the model file's weights")
  }

  /// These candidates and, behind them, those of `other`.
  func appending(_ other: CandidatePool) throws(ARMSError) -> CandidatePool {
    let pool = try CandidatePool(
      candidates + other.candidates, choices: choices + other.choices, embeddingWidth: embeddingWidth,
      keyWidth: keyWidth)
    for (source, offset) in [(self, 0), (other, count)] {
      (pool.embeddings + offset * embeddingWidth).update(
        from: source.embeddings, count: source.count * embeddingWidth)
      (pool.deltas + offset * embeddingWidth).update(
        from: source.deltas, count: source.count * embeddingWidth)
      (pool.keys + offset * keyWidth).update(from: source.keys, count: source.count * keyWidth)
    }
    return pool
  }

  /// The candidates at `indices`, in that order.
  func keeping(_ indices: [Int]) throws(ARMSError) -> CandidatePool {
    let pool = try CandidatePool(
      indices.map { candidates[$0] }, choices: indices.map { choices[$0] }, embeddingWidth: embeddingWidth,
      keyWidth: keyWidth)
    for (to, from) in indices.enumerated() {
      (pool.embeddings + to * embeddingWidth).update(
        from: embeddings + from * embeddingWidth, count: embeddingWidth)
      (pool.deltas + to * embeddingWidth).update(from: deltas + from * embeddingWidth, count: embeddingWidth)
      (pool.keys + to * keyWidth).update(from: keys + from * keyWidth, count: keyWidth)
    }
    return pool
  }

  /// The same embeddings and keys under changed candidates.
  func replacing(_ changed: [Candidate]) throws(ARMSError) -> CandidatePool {
    try CandidatePool(self, changed, choices)
  }

  /// The same candidates with other counters.
  func counting(_ choices: [ChoiceCounter]) throws(ARMSError) -> CandidatePool {
    try CandidatePool(self, candidates, choices)
  }

  private init(
    _ pool: CandidatePool, _ candidates: [Candidate], _ choices: [ChoiceCounter]
  ) throws(ARMSError) {
    self.candidates = candidates
    self.choices = choices
    numbers = try CandidateNumbers(candidates)
    embeddingWidth = pool.embeddingWidth
    keyWidth = pool.keyWidth
    embeddingBuffer = pool.embeddingBuffer
    deltaBuffer = pool.deltaBuffer
    keyBuffer = pool.keyBuffer
  }
}
