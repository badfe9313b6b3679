import CKernels

/// Everything behind the encoders: gate, fusion experts, mixture and classifier.
final class Head: @unchecked Sendable {
  // Immutable after the initialiser; the pointers lead into `file` and `owned`. That is why @unchecked holds.
  let fusion: Fusion
  let gate: Gate
  let experts: [FusionExpert]
  let classifier: Classifier
  /// `[d_v]`: `g` of a query without an image.
  let noImage: UnsafePointer<Float>
  /// `[1, d_p]`: `X` of a query without an image; nil unless the fusion is `patches`.
  let noImageTokens: UnsafePointer<Float>?
  /// Images that a query may have.
  let maxImages: Int
  /// `d_t`
  let questionWidth: Int
  /// `d_v`
  let imageWidth: Int
  /// What training can change.
  let parameters: [Parameter]
  private let file: ModelFile
  private let owned: [AlignedBuffer]

  /// Bytes of weights that are not in the file's mapping.
  var privateBytes: Int { owned.reduce(0) { $0 + $1.byteCount } }
  /// Whether a linear layer that OpenBLAS multiplies by has float weights.
  var needsBLAS: Bool {
    !classifier.query.isInt8 || experts.contains { $0.linears.contains { !$0.isInt8 } }
  }
  /// `d_e`
  var expertWidth: Int { experts.first?.down.outputs ?? 0 }

  init(
    file: ModelFile, owned: [AlignedBuffer], parameters: [Parameter], fusion: Fusion, gate: Gate,
    experts: [FusionExpert],
    classifier: Classifier, noImage: UnsafePointer<Float>, noImageTokens: UnsafePointer<Float>?,
    maxImages: Int, questionWidth: Int, imageWidth: Int
  ) {
    self.file = file
    self.owned = owned
    self.parameters = parameters
    self.fusion = fusion
    self.gate = gate
    self.experts = experts
    self.classifier = classifier
    self.noImage = noImage
    self.noImageTokens = noImageTokens
    self.maxImages = maxImages
    self.questionWidth = questionWidth
    self.imageWidth = imageWidth
  }
}

/// The intermediate results of the head.
struct HeadWorkspace {
  /// `[queries, the wider of d_t + w, d_t + d_v and d_t + d_e]`
  let joined: UnsafeMutablePointer<Float>
  /// `[queries, w]`
  let queries: UnsafeMutablePointer<Float>
  let values: UnsafeMutablePointer<Float>
  let attended: UnsafeMutablePointer<Float>
  /// `[queries, f_e]`
  let hidden: UnsafeMutablePointer<Float>
  /// `[queries, d_e]`: of one expert.
  let expert: UnsafeMutablePointer<Float>
  /// `[queries, d_e]`: of all.
  let mixture: UnsafeMutablePointer<Float>
  let quantized: QuantizedRows
  /// `[threads]`; nothing unless the fusion is `patches`.
  let attentionScratch: UnsafeMutablePointer<ExpertAttentionScratch>

  init(_ input: HeadInput, _ head: Head, on execution: Execution) throws(ARMSError) {
    let arena = execution.arena
    let count = input.count
    let first = head.experts[0]
    let (width, hiddenWidth) = (first.imageWidth, first.up.outputs)
    let joinedWidth = head.questionWidth + max(width, head.imageWidth, head.expertWidth)
    joined = try arena.allocate(Float.self, count * joinedWidth)
    queries = try arena.allocate(Float.self, count * width)
    values = try arena.allocate(Float.self, count * width)
    attended = try arena.allocate(Float.self, count * width)
    hidden = try arena.allocate(Float.self, count * hiddenWidth)
    expert = try arena.allocate(Float.self, count * head.expertWidth)
    mixture = try arena.allocate(Float.self, count * head.expertWidth)
    quantized = try QuantizedRows(rows: count, columns: max(joinedWidth, hiddenWidth), on: execution)
    attentionScratch = try arena.allocate(ExpertAttentionScratch.self, execution.pool.threads)
    if case .patches(let attention, _) = first.image {
      for thread in 0..<execution.pool.threads {
        (attentionScratch + thread).initialize(
          to: try ExpertAttentionScratch(attention: attention, mostTokens: input.mostTokens, on: execution))
      }
    }
  }
}
