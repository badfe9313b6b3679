import Foundation
import Testing

@testable import ARMS

/// The head and its loss as the equations stand, one query at a time in double: nothing is folded or batched.
struct DoubleHead {
  private var weights: [String: [Double]] = [:]
  private let head: Head
  private let profiles: [Double]
  private let candidates: Int
  /// As ``OutcomeLoss/classWeights``.
  var classWeights = (negative: 1.0, positive: 1.0)

  /// `g` and `X` of an image.
  typealias Image = (pooled: [Double], tokens: [[Double]])

  init(_ trainer: Trainer) throws {
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
    add(step, to: name, place)
    let above = loss(samples)
    add(-2 * step, to: name, place)
    let below = loss(samples)
    add(step, to: name, place)
    return (above - below) / (2 * step)
  }

  /// The central difference of the loss along a direction of a tensor.
  mutating func slope(_ name: String, along direction: [Double], _ samples: [EncodedSample]) -> Double {
    let step = 1e-5
    add(step, to: name, along: direction)
    let above = loss(samples)
    add(-2 * step, to: name, along: direction)
    let below = loss(samples)
    add(step, to: name, along: direction)
    return (above - below) / (2 * step)
  }

  /// Changes one weight.
  mutating func add(_ step: Double, to name: String, _ place: Int) { weights[name]?[place] += step }

  /// Changes all weights of a tensor by a step along a direction.
  mutating func add(_ step: Double, to name: String, along direction: [Double]) {
    weights[name] = zip(weights[name, default: []], direction).map { $0 + step * $1 }
  }

  /// The weighted mean of the binary cross-entropy.
  func loss(_ samples: [EncodedSample]) -> Double {
    Self.loss(
      samples.map { sample in
        let question = sample.question.embedding.map(Double.init)
        return (logits(question, images(of: sample), profiles: profiles), sample.outcomes)
      }, classWeights)
  }

  /// The weighted mean of the binary cross-entropy of queries' logits.
  static func loss(
    _ queries: [(logits: [Double], outcomes: [EncodedOutcome])],
    _ classWeights: (negative: Double, positive: Double) = (1, 1)
  ) -> Double {
    var (sum, weight) = (0.0, 0.0)
    for (logits, outcomes) in queries {
      for outcome in outcomes {
        let (logit, label) = (logits[outcome.candidate], Double(outcome.label))
        let right = Double(outcome.weight) * label * classWeights.positive
        let wrong = Double(outcome.weight) * (1 - label) * classWeights.negative
        sum += right * log1p(exp(-logit)) + wrong * log1p(exp(logit))
        weight += right + wrong
      }
    }
    return sum / weight
  }

  /// The logits of all candidates, whose profiles are `[candidates, d_t]`.
  func logits(_ question: [Double], _ images: [Image], profiles: [Double]) -> [Double] {
    var pooled = weights["no_image.pooled", default: []]
    if !images.isEmpty {
      pooled = pooled.indices.map { column in
        images.reduce(0) { $0 + $1.pooled[column] } / Double(images.count)
      }
    }
    let gate = gate(question + pooled)
    var mixture = [Double](repeating: 0, count: head.expertWidth)
    for number in head.experts.indices {
      let output = expert(number, question, pooled, tokens(of: images))
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

  private func images(of sample: EncodedSample) -> [Image] {
    sample.images.map { image in
      let encoding = image.encodings[0]
      guard let buffer = encoding.tokens else { return (encoding.embedding.map(Double.init), []) }
      let (width, values) = (encoding.patchWidth, buffer.pointer(to: Float.self))
      let tokens = (0..<encoding.tokenCount).map { token in
        (0..<width).map { Double(values[token * width + $0]) }
      }
      return (encoding.embedding.map(Double.init), tokens)
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

  private func tokens(of images: [Image]) -> [[Double]] {
    guard head.fusion == .patches else { return [] }
    if images.isEmpty { return [weights["no_image.tokens", default: []]] }
    let index = weights["image_index.weight", default: []]
    return images.enumerated().flatMap { number, image in
      image.tokens.map { token in
        token.indices.map { token[$0] + index[number * token.count + $0] }
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
    return linear("\(name).ffn_down", hidden.map(gelu))
  }

  private func attention(_ name: String, _ question: [Double], _ tokens: [[Double]]) -> [Double] {
    guard case .patches(let attention, _) = head.experts[0].image else { return [] }
    return ARMSTests.attention(
      linear("\(name).attn_q", question), keys: tokens.map { linear("\(name).attn_k", $0) },
      values: tokens.map { linear("\(name).attn_v", $0) }, heads: attention.heads)
  }

  private func linear(_ name: String, _ x: [Double]) -> [Double] {
    let y = product(weights["\(name).weight", default: []], x)
    return weights["\(name).bias"].map { plus(y, $0) } ?? y
  }

  private func norm(_ name: String, _ x: [Double]) -> [Double] {
    layerNorm(
      x, gamma: weights["\(name).weight", default: []], beta: weights["\(name).bias", default: []],
      epsilon: head.classifier.norm.epsilon)
  }

  private func unit(_ x: [Double]) -> [Double] {
    let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return x.map { $0 / max(norm, Double(head.classifier.cosineEpsilon)) }
  }
}

/// A direction in which every element of a tensor counts: 1 or -1, the same in every run.
func signs(_ count: Int, _ random: inout SplitMix64) -> [Double] {
  (0..<count).map { _ in Bool.random(using: &random) ? 1 : -1 }
}

/// The part of a gradient along a direction, and the gradient's norm.
func projection(_ gradient: [Float], along direction: [Double]) -> (part: Double, norm: Double) {
  (
    zip(gradient, direction).reduce(0) { $0 + Double($1.0) * $1.1 },
    gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  )
}
