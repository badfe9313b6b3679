import CKernels

/// What the experts attend to (design choice of the model file, `arms.fusion`).
public enum Fusion: String, Sendable, CaseIterable {
  /// The one key is the pooled image `g`, as the text beside Eq. 4 says.
  case pooled
  /// The keys are the image tokens `X`.
  case patches
  /// No attention: the pooled image is projected (the ablation row of Table 3).
  case concat
}

/// A fusion expert: `e = FFN(LN([q; attention(q, image)]))` (Eq. 4).
struct FusionExpert {
  /// What stands beside the question in the concatenation.
  enum ImagePath {
    case pooled(value: Linear, output: Linear)
    case patches(ExpertAttention, output: Linear)
    case concat(Linear)
  }

  let image: ImagePath
  let norm: LayerNorm
  let up: Linear
  let down: Linear

  /// Width of the image's part.
  var imageWidth: Int { norm.width - questionWidth }
  let questionWidth: Int

  /// All linear layers but those folded into the attention.
  var linears: [Linear] {
    let beside =
      switch image {
      case .pooled(let value, let output): [value, output]
      case .patches(let attention, let output): [attention.query, output]
      case .concat(let projection): [projection]
      }
    return beside + [up, down]
  }
}

extension FusionExpert {
  /// Writes `e`, `[queries, d_e]`.
  func forward(
    _ input: HeadInput, _ workspace: HeadWorkspace, out: UnsafeMutablePointer<Float>, on execution: Execution
  ) {
    attend(input, workspace, on: execution)
    let width = norm.width
    for row in 0..<input.count {
      let target = workspace.joined + row * width
      target.update(from: input.question + row * questionWidth, count: questionWidth)
      (target + questionWidth).update(from: workspace.attended + row * imageWidth, count: imageWidth)
    }
    let normed = norm.forward(
      workspace.joined, rows: input.count, out: workspace.joined, for: up, room: workspace.quantized,
      on: execution)
    up.forward(normed, activation: CK_GELU, out: workspace.hidden, stride: up.outputs, on: execution)
    let hidden = down.input(
      workspace.hidden, stride: up.outputs, rows: input.count, room: workspace.quantized, on: execution)
    down.forward(hidden, out: out, stride: down.outputs, on: execution)
  }

  /// Writes the image's part, `[queries, imageWidth]`, to `workspace.attended`.
  private func attend(_ input: HeadInput, _ workspace: HeadWorkspace, on execution: Execution) {
    let rows = input.count
    func apply(_ linear: Linear, _ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>) {
      let input = linear.input(x, stride: linear.inputs, rows: rows, room: workspace.quantized, on: execution)
      linear.forward(input, out: out, stride: linear.outputs, on: execution)
    }
    switch image {
    case .concat(let projection):
      apply(projection, input.image, workspace.attended)
    case .pooled(let value, let output):
      // One key: its softmax is 1, and attention is the projection of the value.
      apply(value, input.image, workspace.values)
      apply(output, workspace.values, workspace.attended)
    case .patches(let attention, let output):
      apply(attention.query, input.question, workspace.queries)
      attention.forward(input, workspace, on: execution)
      apply(output, workspace.values, workspace.attended)
    }
  }
}
