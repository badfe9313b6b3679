import Foundation
import Testing

@testable import ARMS

/// The head and its loss as the equations stand, one query at a time in double: nothing is folded or batched.
struct DoubleHead {
  private var weights: [String: [Double]] = [:]
  private let head: Head
  private let profiles: [Double]
  private let candidates: Int

  init(_ trainer: HeadTrainer) throws {
    head = trainer.head
    candidates = trainer.candidates.count
    for entry in trainer.parameters.entries {
      weights[entry.parameter.name] = try trainer.values(entry.parameter.name).map(Double.init)
    }
    profiles = (0..<candidates * head.questionWidth).map { Double(trainer.candidates.embeddings[$0]) }
  }

  /// The central difference of the loss by one weight.
  mutating func slope(_ name: String, _ place: Int, _ samples: [EncodedSample]) -> Double {
    let step = 1e-5
    let value = weights[name, default: []][place]
    weights[name]?[place] = value + step
    let above = loss(samples)
    weights[name]?[place] = value - step
    let below = loss(samples)
    weights[name]?[place] = value
    return (above - below) / (2 * step)
  }

  /// The weighted mean of the binary cross-entropy.
  func loss(_ samples: [EncodedSample]) -> Double {
    var (sum, weight) = (0.0, 0.0)
    for sample in samples {
      let logits = logits(of: sample)
      for outcome in sample.outcomes {
        let logit = logits[outcome.candidate]
        let target = outcome.label == 1 ? logit : -logit
        sum += Double(outcome.weight) * log1p(exp(-target))
        weight += Double(outcome.weight)
      }
    }
    return sum / weight
  }

  private func logits(of sample: EncodedSample) -> [Double] {
    let question = sample.question.embedding.map(Double.init)
    var pooled = weights["no_image.pooled", default: []]
    if !sample.images.isEmpty {
      pooled = pooled.indices.map { column in
        sample.images.reduce(0) { $0 + Double($1.embedding[column]) } / Double(sample.images.count)
      }
    }
    let gate = gate(question + pooled)
    var mixture = [Double](repeating: 0, count: head.expertWidth)
    for number in head.experts.indices {
      let output = expert(number, question, pooled, tokens(of: sample))
      for column in mixture.indices { mixture[column] += gate[number] * output[column] }
    }
    let query = unit(linear("classifier.query", norm("classifier.ln", question + mixture)))
    return (0..<candidates).map { index in
      let width = head.questionWidth
      let profile = (0..<width).map {
        profiles[index * width + $0] + weights["candidate.delta", default: []][index * width + $0]
      }
      let key = unit(linear("classifier.candidate", profile))
      let cosine = zip(query, key).reduce(0) { $0 + $1.0 * $1.1 }
      switch head.classifier.logit {
      case .paper(let minimum, let maximum, _, _):
        return min(max(atanh(cosine), Double(minimum)), Double(maximum))
      case .scaled:
        return weights["classifier.alpha", default: []][0] * cosine
          + weights["candidate.beta", default: []][index]
      }
    }
  }

  private func gate(_ x: [Double]) -> [Double] {
    var p = softmax(linear("gate", x))
    if head.gate.topK > 0 {
      let least = p.sorted(by: >)[head.gate.topK - 1]
      p = p.map { $0 >= least ? $0 : 0 }
      let sum = p.reduce(0, +)
      p = p.map { $0 / sum }
    }
    return p
  }

  private func tokens(of sample: EncodedSample) -> [[Double]] {
    guard head.fusion == .patches else { return [] }
    if sample.images.isEmpty { return [weights["no_image.tokens", default: []]] }
    let index = weights["image_index.weight", default: []]
    return sample.images.enumerated().flatMap { number, image -> [[Double]] in
      let encoding = image.encodings[0]
      guard let buffer = encoding.tokens else { return [] }
      let (width, values) = (encoding.patchWidth, buffer.pointer(to: Float.self))
      return (0..<encoding.tokenCount).map { token in
        (0..<width).map { Double(values[token * width + $0]) + index[number * width + $0] }
      }
    }
  }

  private func expert(_ number: Int, _ question: [Double], _ pooled: [Double], _ tokens: [[Double]])
    -> [Double]
  {
    let name = "expert.\(number)"
    let fused: [Double] =
      switch head.fusion {
      case .concat: linear("\(name).image", pooled)
      case .pooled: linear("\(name).attn_out", linear("\(name).attn_v", pooled))
      case .patches: linear("\(name).attn_out", attention(name, question, tokens))
      }
    let hidden = linear("\(name).ffn_up", norm("\(name).ln", question + fused))
    return linear("\(name).ffn_down", hidden.map { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) })
  }

  private func attention(_ name: String, _ question: [Double], _ tokens: [[Double]]) -> [Double] {
    guard case .patches(let attention, _) = head.experts[0].image else { return [] }
    let query = linear("\(name).attn_q", question)
    let keys = tokens.map { linear("\(name).attn_k", $0) }
    let values = tokens.map { linear("\(name).attn_v", $0) }
    let width = attention.headWidth
    return (0..<attention.heads).flatMap { number -> [Double] in
      let slice = number * width..<(number + 1) * width
      let scores = keys.map { key in slice.reduce(0) { $0 + query[$1] * key[$1] } / Double(width).squareRoot()
      }
      let weights = softmax(scores)
      return slice.map { column in zip(weights, values).reduce(0) { $0 + $1.0 * $1.1[column] } }
    }
  }

  private func linear(_ name: String, _ x: [Double]) -> [Double] {
    let weight = weights["\(name).weight", default: []]
    let outputs = weight.count / x.count
    var y = weights["\(name).bias"] ?? [Double](repeating: 0, count: outputs)
    x.withUnsafeBufferPointer { x in
      weight.withUnsafeBufferPointer { weight in
        for row in 0..<outputs {
          var sum = 0.0
          for column in 0..<x.count { sum += weight[row * x.count + column] * x[column] }
          y[row] += sum
        }
      }
    }
    return y
  }

  private func norm(_ name: String, _ x: [Double]) -> [Double] {
    let mean = x.reduce(0, +) / Double(x.count)
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
    let deviation = (variance + Double(head.classifier.norm.epsilon)).squareRoot()
    let (gamma, beta) = (weights["\(name).weight", default: []], weights["\(name).bias", default: []])
    return x.indices.map { (x[$0] - mean) / deviation * gamma[$0] + beta[$0] }
  }

  private func softmax(_ x: [Double]) -> [Double] {
    let most = x.max() ?? 0
    let terms = x.map { exp($0 - most) }
    let sum = terms.reduce(0, +)
    return terms.map { $0 / sum }
  }

  private func unit(_ x: [Double]) -> [Double] {
    let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return x.map { $0 / max(norm, Double(head.classifier.cosineEpsilon)) }
  }
}
