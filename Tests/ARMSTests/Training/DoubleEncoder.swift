import Foundation

@testable import ARMS

/// A transformer encoder as the equations stand, one sequence at a time in double. What is not trained has the values
/// of `frozen`; adapters are layers beside their weights.
struct DoubleEncoder {
  private var weights: [String: [Double]] = [:]
  let prefix: String
  let blocks: [TransformerBlock]
  /// `alpha` of adapters.
  private let alpha: Double

  init(
    _ parameters: ParameterSet, frozen: [Parameter] = [], alpha: Double = 0, prefix: String,
    blocks: [TransformerBlock]
  ) {
    self.alpha = alpha
    for parameter in frozen {
      let values = UnsafeMutablePointer<Float>.allocate(capacity: parameter.count)
      defer { values.deallocate() }
      parameter.copy(into: values)
      weights[parameter.name] = (0..<parameter.count).map { Double(values[$0]) }
    }
    for entry in parameters.entries {
      weights[entry.parameter.name] = (0..<entry.parameter.count).map {
        Double(parameters.values[entry.offset + $0])
      }
    }
    self.prefix = prefix
    self.blocks = blocks
  }

  /// The central difference of `loss` by one weight.
  mutating func slope(_ name: String, _ place: Int, _ loss: (DoubleEncoder) -> Double) -> Double {
    let step = 1e-5
    add(step, to: name, place)
    let above = loss(self)
    add(-2 * step, to: name, place)
    let below = loss(self)
    add(step, to: name, place)
    return (above - below) / (2 * step)
  }

  /// Changes one weight.
  mutating func add(_ step: Double, to name: String, _ place: Int) { weights[name]?[place] += step }

  /// Changes all weights of a tensor by a step along a direction.
  mutating func add(_ step: Double, to name: String, along direction: [Double]) {
    weights[name] = zip(weights[name, default: []], direction).map { $0 + step * $1 }
  }

  /// The pooled vector of a text.
  func encode(_ ids: [Int32], _ encoder: TextEncoder) -> [Double] {
    let width = encoder.width
    let (tokens, positions) = (self["t.token_embd.weight"], self["t.position_embd.weight"])
    let x = ids.enumerated().map { position, id in
      norm(
        "t.embd_norm", epsilon: encoder.embeddingNorm.epsilon,
        plus(row(Int(id), of: tokens, width), row(position, of: positions, width)))
    }
    let out = run(x)
    guard encoder.pooling == .mean else { return out[0] }
    return (0..<width).map { column in out.reduce(0) { $0 + $1[column] } / Double(out.count) }
  }

  /// The pooled vector and the tokens of an image of which `patches` has the pixels.
  func encode(_ patches: [[Double]], _ encoder: ImageEncoder) -> (pooled: [Double], tokens: [[Double]]) {
    let vectors = [self["v.class_embd"]] + patches.map { linear("v.patch_embd", $0) }
    let positions = self["v.position_embd.weight"]
    let x = vectors.enumerated().map { number, vector in
      norm(
        "v.pre_ln", epsilon: encoder.preNorm.epsilon,
        plus(vector, row(number, of: positions, encoder.patchWidth)))
    }
    let tokens = run(x).map { norm("v.post_ln", epsilon: encoder.postNorm.epsilon, $0) }
    return (linear("v.projection", tokens[0]), tokens)
  }

  /// The pixels of each patch, from those of an image: `[3, size, size]`.
  static func patches(of pixels: [Float], _ encoder: ImageEncoder) -> [[Double]] {
    let (size, side) = (encoder.imageSize, encoder.patchSize)
    return (0..<encoder.grid * encoder.grid).map { place in
      let (top, left) = (place / encoder.grid * side, place % encoder.grid * side)
      return (0..<3).flatMap { channel in
        (0..<side).flatMap { row in
          let start = (channel * size + top + row) * size + left
          return pixels[start..<start + side].map(Double.init)
        }
      }
    }
  }

  private func row(_ number: Int, of table: [Double], _ width: Int) -> [Double] {
    Array(table[number * width..<(number + 1) * width])
  }

  private subscript(name: String) -> [Double] { weights[name, default: []] }

  private func run(_ x: [[Double]]) -> [[Double]] {
    blocks.indices.reduce(x) { x, number in
      let (block, name) = (blocks[number], "\(prefix).blk.\(number)")
      func norm1(_ x: [Double]) -> [Double] { norm("\(name).ln1", epsilon: block.norm1.epsilon, x) }
      func norm2(_ x: [Double]) -> [Double] { norm("\(name).ln2", epsilon: block.norm2.epsilon, x) }
      func feedForward(_ x: [Double]) -> [Double] {
        linear("\(name).ffn_down", linear("\(name).ffn_up", x).map { activate($0, block) })
      }
      switch block.order {
      case .preNorm:
        let summed = zip(x, attention(name, x.map(norm1), block.heads)).map(plus)
        return summed.map { plus($0, feedForward(norm2($0))) }
      case .postNorm:
        let normed = zip(x, attention(name, x, block.heads)).map { norm1(plus($0, $1)) }
        return normed.map { norm2(plus($0, feedForward($0))) }
      }
    }
  }

  private func attention(_ name: String, _ x: [[Double]], _ heads: Int) -> [[Double]] {
    let query = x.map { linear("\(name).attn_q", $0) }
    let keys = x.map { linear("\(name).attn_k", $0) }
    let values = x.map { linear("\(name).attn_v", $0) }
    return query.map {
      linear("\(name).attn_out", ARMSTests.attention($0, keys: keys, values: values, heads: heads))
    }
  }

  private func activate(_ x: Double, _ block: TransformerBlock) -> Double {
    block.usesQuickGELU ? x / (1 + exp(-1.702 * x)) : gelu(x)
  }

  private func norm(_ name: String, epsilon: Float, _ x: [Double]) -> [Double] {
    layerNorm(x, gamma: self["\(name).weight"], beta: self["\(name).bias"], epsilon: epsilon)
  }

  private func linear(_ name: String, _ x: [Double]) -> [Double] {
    var y = product(self["\(name).weight"], x)
    if let bias = weights["\(name).bias"] { y = plus(y, bias) }
    if let a = weights["\(name).weight.lora_a"], let b = weights["\(name).weight.lora_b"] {
      let scale = alpha / Double(b.count / y.count)
      y = plus(y, product(b, product(a, x)).map { scale * $0 })
    }
    return y
  }
}
