/// A BERT or DistilBERT text encoder with its tokenizer: questions and profiles to pooled vectors.
final class TextEncoder: @unchecked Sendable {
  /// How a sequence becomes one vector.
  enum Pooling: String {
    /// The row of [CLS].
    case cls
    /// The mean of all rows.
    case mean
  }

  // Immutable after the initialiser; the pointers lead into `file` and `owned`. That is why @unchecked holds.
  let tokenizer: WordPieceTokenizer
  /// Names the weights and the vocabulary: `arms.text.hash`.
  var hash: String { identity.hash }
  let identity: EncoderIdentity
  /// `d_t`
  let width: Int
  /// Tokens that a question may have; longer ones are truncated.
  let contextLength: Int
  let pooling: Pooling
  let tokens: EmbeddingTable
  /// `[contextLength, width]`
  let positions: UnsafePointer<Float>
  let embeddingNorm: LayerNorm
  let blocks: [TransformerBlock]
  /// What training can change.
  let parameters: [Parameter]
  private let file: ModelFile
  private let owned: [AlignedBuffer]

  /// Bytes of weights that are not in the file's mapping.
  var privateBytes: Int { owned.reduce(0) { $0 + $1.byteCount } }

  /// Whether any linear layer has float weights, and so needs OpenBLAS.
  var needsBLAS: Bool { blocks.contains(where: \.needsBLAS) }

  /// Reads the encoder whose keys and tensors begin with `prefix`.
  init(_ file: ModelFile, prefix: RouterPrefix) throws(ARMSError) {
    let key = prefix.key
    let configuration = try TransformerConfiguration(file, prefix: "\(key)text")
    self.file = file
    width = configuration.width
    contextLength = try file.size("\(key)text.context_length", 2...8_192)
    try configuration.checkSequence(file, prefix: "\(key)text", tokens: contextLength)
    identity = EncoderIdentity(hash: try file.string("\(key)text.hash", default: ""))
    let poolingName = try file.string("\(key)text.pooling")
    guard let pooling = Pooling(rawValue: poolingName) else {
      throw file.invalid("\(key)text.pooling is \"\(poolingName)\"; cls or mean is wanted")
    }
    self.pooling = pooling
    tokenizer = try WordPieceTokenizer(file, key: "\(key)tokenizer")
    let reader = WeightReader(file: file, prefix: prefix.tensor)
    tokens = try reader.table("t.token_embd.weight", rows: tokenizer.vocabularyCount, width: width)
    positions = try reader.float("t.position_embd.weight", [contextLength, width])
    embeddingNorm = try reader.layerNorm("t.embd_norm", width: width, epsilon: configuration.epsilon)
    blocks = try reader.blocks(configuration, prefix: "t", order: .postNorm)
    owned = reader.owned
    parameters = reader.parameters
  }

  /// Encodes sequences of token ids, one after the other, to `out`, `[sequences, width]`.
  ///
  /// Every id is in the vocabulary and no sequence is longer than the context, or empty: the callers check.
  func encode(
    _ ids: UnsafePointer<Int32>, _ sequences: Sequences, out: UnsafeMutablePointer<Float>,
    on execution: Execution
  ) throws(ARMSError) {
    guard let last = blocks.last else { throw ARMSError(.internal, "the text encoder has no blocks") }
    try execution.arena.scoped { () throws(ARMSError) in
      let x = try execution.arena.allocate(Float.self, sequences.rows * width)
      embed(ids, sequences, into: x)
      embeddingNorm.forward(x, rows: sequences.rows, out: x, on: execution)
      let workspace = try BlockWorkspace(sequences: sequences, block: last, on: execution)
      let rows = blocks.forward(x, keep: pooling == .cls ? .first : .all, workspace, on: execution)
      pool(rows, sequences, into: out)
    }
  }

  /// Tokens with their positions, `[rows, width]`.
  func embed(_ ids: UnsafePointer<Int32>, _ sequences: Sequences, into x: UnsafeMutablePointer<Float>) {
    for sequence in 0..<sequences.count {
      let start = sequences.starts[sequence]
      for row in start..<sequences.starts[sequence + 1] {
        tokens.add(Int(ids[row]), to: positions + (row - start) * width, into: x + row * width)
      }
    }
  }

  /// Each sequence's vector, of its first row alone, `[sequences, width]`, or of all, as its pooling wants.
  private func pool(
    _ rows: UnsafePointer<Float>, _ sequences: Sequences, into out: UnsafeMutablePointer<Float>
  ) {
    switch pooling {
    case .cls:
      out.update(from: rows, count: sequences.count * width)
    case .mean:
      for sequence in 0..<sequences.count {
        mean(of: rows, pooledRows(sequences, sequence), into: out + sequence * width)
      }
    }
  }

  /// The rows of a sequence whose mean is its vector.
  func pooledRows(_ sequences: Sequences, _ sequence: Int) -> Range<Int> {
    let start = sequences.starts[sequence]
    return start..<(pooling == .cls ? start + 1 : sequences.starts[sequence + 1])
  }

  /// The mean of some rows, of which there is at least one.
  func mean(of rows: UnsafePointer<Float>, _ some: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    out.update(repeating: 0, count: width)
    for row in some {
      for column in 0..<width { out[column] += rows[row * width + column] }
    }
    for column in 0..<width { out[column] /= Float(some.count) }
  }
}
