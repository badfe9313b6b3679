/// A CLIP vision transformer with its preprocessing: images to pooled vectors and tokens.
final class ImageEncoder: @unchecked Sendable {
  // Immutable after the initialiser; the pointers lead into `file` and `owned`. That is why @unchecked holds.
  let preprocessor: ImagePreprocessor
  /// Names the weights: `arms.vision.hash`.
  var hash: String { identity.hash }
  let identity: EncoderIdentity
  /// `d_v`: of the projected class token.
  let width: Int
  /// `d_p`: of a token.
  let patchWidth: Int
  /// Side of the prepared square image.
  let imageSize: Int
  let patchSize: Int
  let classToken: UnsafePointer<Float>
  let patches: Linear
  let positions: UnsafePointer<Float>
  let preNorm: LayerNorm
  let blocks: [TransformerBlock]
  let postNorm: LayerNorm
  let projection: Linear
  /// What training can change.
  let parameters: [Parameter]
  private let file: ModelFile
  private let owned: [AlignedBuffer]

  /// The most patches of a side. Attention costs its fourth power, whatever the size of the file.
  private static let gridLimit = 128

  /// Patches of a side.
  var grid: Int { imageSize / patchSize }
  /// Tokens of an image, the class token included.
  var tokenCount: Int { 1 + grid * grid }
  /// Floats of a prepared image, `[3, imageSize, imageSize]`.
  var pixelCount: Int { 3 * imageSize * imageSize }
  /// Bytes of weights that are not in the file's mapping.
  var privateBytes: Int { owned.reduce(0) { $0 + $1.byteCount } }
  /// Whether any linear layer has float weights, and so needs OpenBLAS.
  var needsBLAS: Bool {
    !patches.isInt8 || !projection.isInt8 || blocks.contains(where: \.needsBLAS)
  }

  /// Reads the encoder whose keys and tensors begin with `prefix`.
  init(_ file: ModelFile, prefix: RouterPrefix) throws(ARMSError) {
    let key = prefix.key
    let configuration = try TransformerConfiguration(file, prefix: "\(key)vision")
    self.file = file
    patchWidth = configuration.width
    width = try file.size("\(key)vision.projection_length", 1...65_536)
    imageSize = try file.size("\(key)vision.image_size", 1...4_096)
    patchSize = try file.size("\(key)vision.patch_size", 1...4_096)
    identity = EncoderIdentity(hash: try file.string("\(key)vision.hash", default: ""))
    guard imageSize % patchSize == 0 else {
      throw file.invalid(
        "\(key)vision.image_size \(imageSize) is not a multiple of its patch size \(patchSize)")
    }
    let grid = imageSize / patchSize
    guard grid <= Self.gridLimit else {
      throw file.invalid("\(key)vision has \(grid) patches a side; at most \(Self.gridLimit) are read")
    }
    try configuration.checkSequence(file, prefix: "\(key)vision", tokens: 1 + grid * grid)
    preprocessor = try ImagePreprocessor(file, key: "\(key)vision")
    let reader = WeightReader(file: file, prefix: prefix.tensor)
    classToken = try reader.vector("v.class_embd", patchWidth)
    patches = try reader.linear(
      "v.patch_embd", inputs: 3 * patchSize * patchSize, outputs: patchWidth, bias: false)
    positions = try reader.float("v.position_embd.weight", [1 + grid * grid, patchWidth])
    preNorm = try reader.layerNorm("v.pre_ln", width: patchWidth, epsilon: configuration.epsilon)
    blocks = try reader.blocks(configuration, prefix: "v", order: .preNorm)
    postNorm = try reader.layerNorm("v.post_ln", width: patchWidth, epsilon: configuration.epsilon)
    projection = try reader.linear("v.projection", inputs: patchWidth, outputs: width, bias: false)
    owned = reader.owned
    parameters = reader.parameters
  }

  /// Encodes `count` prepared images, `[count, 3, imageSize, imageSize]`.
  ///
  /// `pooled` receives `[count, width]`. `tokens`, if not nil, receives `[count, tokenCount, patchWidth]`;
  /// without it the last block computes the class token alone.
  func encode(
    _ pixels: UnsafePointer<Float>, count: Int, pooled: UnsafeMutablePointer<Float>,
    tokens: UnsafeMutablePointer<Float>?, on execution: Execution
  ) throws(ARMSError) {
    guard let last = blocks.last else { throw ARMSError(.internal, "the image encoder has no blocks") }
    // A call may make many passes: what one has worked with, the next takes anew.
    try execution.arena.scoped { () throws(ARMSError) in
      let sequences = try equalSequences(count, in: execution.arena)
      let x = try embed(pixels, count: count, on: execution)
      let workspace = try BlockWorkspace(sequences: sequences, block: last, on: execution)
      let rows = blocks.forward(x, keep: tokens == nil ? .first : .all, workspace, on: execution)
      let classes = try execution.arena.allocate(Float.self, count * patchWidth)
      if let tokens {
        postNorm.forward(rows, rows: sequences.rows, out: tokens, on: execution)
        for image in 0..<count {
          (classes + image * patchWidth).update(
            from: tokens + image * tokenCount * patchWidth, count: patchWidth)
        }
      } else {
        postNorm.forward(rows, rows: count, out: classes, on: execution)
      }
      let input = projection.input(
        classes, stride: patchWidth, rows: count, room: workspace.quantized, on: execution)
      projection.forward(input, out: pooled, stride: width, on: execution)
    }
  }

  func equalSequences(_ count: Int, in arena: ScratchArena) throws(ARMSError) -> Sequences {
    let starts = try arena.allocate(Int.self, count + 1)
    for index in 0...count { starts[index] = index * tokenCount }
    return Sequences(starts: UnsafePointer(starts), count: count)
  }

  /// Class token and patches with their positions, normalised: `[count * tokenCount, patchWidth]`.
  func embed(
    _ pixels: UnsafePointer<Float>, count: Int, on execution: Execution
  ) throws(ARMSError) -> UnsafeMutablePointer<Float> {
    let arena = execution.arena
    let patchCount = grid * grid
    let columns = patches.inputs
    let x = try arena.allocate(Float.self, count * tokenCount * patchWidth)
    let unfolded = try arena.allocate(Float.self, patchCount * columns)
    let room = try QuantizedRows(rows: patchCount, columns: columns, on: execution)
    for image in 0..<count {
      unfold(pixels + image * pixelCount, into: unfolded)
      let input = patches.input(unfolded, stride: columns, rows: patchCount, room: room, on: execution)
      let start = x + image * tokenCount * patchWidth
      for column in 0..<patchWidth { start[column] = classToken[column] + positions[column] }
      patches.forward(
        input, residual: positions + patchWidth, out: start + patchWidth, stride: patchWidth, on: execution)
    }
    preNorm.forward(x, rows: count * tokenCount, out: x, on: execution)
    return x
  }

  /// Pixels `[3, S, S]` to patches `[G G, 3 P P]`, columns in the order channel, row, column.
  func unfold(_ pixels: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    let (size, patch) = (imageSize, patchSize)
    for channel in 0..<3 {
      for row in 0..<size {
        let source = pixels + (channel * size + row) * size
        for column in 0..<grid {
          let target =
            out + ((row / patch * grid + column) * 3 + channel) * patch * patch + row % patch * patch
          target.update(from: source + column * patch, count: patch)
        }
      }
    }
  }
}
