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
    let x = ids.enumerated().map { position, id in
      norm(
        "t.embd_norm", epsilon: encoder.embeddingNorm.epsilon,
        (0..<width).map {
          self["t.token_embd.weight"][Int(id) * width + $0]
            + self["t.position_embd.weight"][position * width + $0]
        })
    }
    let out = run(x)
    guard encoder.pooling == .mean else { return out[0] }
    return (0..<width).map { column in out.reduce(0) { $0 + $1[column] } / Double(out.count) }
  }

  /// The pooled vector and the tokens of an image.
  func encode(_ pixels: ArraySlice<Float>, _ encoder: ImageEncoder) -> (pooled: [Double], tokens: [[Double]])
  {
    let (size, side, width) = (encoder.imageSize, encoder.patchSize, encoder.patchWidth)
    var rows = [self["v.class_embd"]]
    for place in 0..<encoder.grid * encoder.grid {
      let (top, left) = (place / encoder.grid * side, place % encoder.grid * side)
      var patch: [Double] = []
      for channel in 0..<3 {
        for row in 0..<side {
          let start = pixels.startIndex + (channel * size + top + row) * size + left
          patch += pixels[start..<start + side].map(Double.init)
        }
      }
      rows.append(linear("v.patch_embd", patch))
    }
    let x = rows.enumerated().map { number, row in
      norm(
        "v.pre_ln", epsilon: encoder.preNorm.epsilon,
        (0..<width).map { row[$0] + self["v.position_embd.weight"][number * width + $0] })
    }
    let tokens = run(x).map { norm("v.post_ln", epsilon: encoder.postNorm.epsilon, $0) }
    return (linear("v.projection", tokens[0]), tokens)
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
    let key = x.map { linear("\(name).attn_k", $0) }
    let value = x.map { linear("\(name).attn_v", $0) }
    return query.map { query in
      let width = query.count / heads
      let mixed = (0..<heads).flatMap { head -> [Double] in
        let slice = head * width..<(head + 1) * width
        let scores = key.map { key in
          slice.reduce(0) { $0 + query[$1] * key[$1] } / Double(width).squareRoot()
        }
        let most = scores.max() ?? 0
        let terms = scores.map { exp($0 - most) }
        let sum = terms.reduce(0, +)
        return slice.map { column in zip(terms, value).reduce(0) { $0 + $1.0 * $1.1[column] } / sum }
      }
      return linear("\(name).attn_out", mixed)
    }
  }

  private func activate(_ x: Double, _ block: TransformerBlock) -> Double {
    block.usesQuickGELU ? x / (1 + exp(-1.702 * x)) : 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
  }

  private func plus(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 + $1 } }

  private func norm(_ name: String, epsilon: Float, _ x: [Double]) -> [Double] {
    let mean = x.reduce(0, +) / Double(x.count)
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
    let deviation = (variance + Double(epsilon)).squareRoot()
    let (gamma, beta) = (self["\(name).weight"], self["\(name).bias"])
    return x.indices.map { (x[$0] - mean) / deviation * gamma[$0] + beta[$0] }
  }

  private func linear(_ name: String, _ x: [Double]) -> [Double] {
    let weight = self["\(name).weight"]
    let outputs = weight.count / x.count
    var y = product(weight, x)
    if let bias = weights["\(name).bias"] { y = plus(y, bias) }
    if let a = weights["\(name).weight.lora_a"], let b = weights["\(name).weight.lora_b"] {
      let scale = alpha / Double(b.count / outputs)
      y = plus(y, product(b, product(a, x)).map { scale * $0 })
    }
    return y
  }

  private func product(_ weight: [Double], _ x: [Double]) -> [Double] {
    let outputs = weight.count / x.count
    var y = [Double](repeating: 0, count: outputs)
    x.withUnsafeBufferPointer { x in
      weight.withUnsafeBufferPointer { weight in
        for row in 0..<outputs {
          var sum = 0.0
          for column in 0..<x.count { sum += weight[row * x.count + column] * x[column] }
          y[row] = sum
        }
      }
    }
    return y
  }
}
