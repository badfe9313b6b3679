import CKernels
import Glibc
import Testing

@testable import ARMS

/// Parts of the head with numbers made by hand.
@Suite struct HeadTests {
  /// The gate's probabilities when the logits are the logarithms of `weights`.
  private func gate(_ weights: [Float], topK: Int) -> [Float] {
    let count = weights.count
    let (zeros, logits) = ([Float](repeating: 0, count: count), weights.map { logf($0) })
    var out = [Float](repeating: .nan, count: count)
    zeros.withUnsafeBufferPointer { zeros in
      logits.withUnsafeBufferPointer { logits in
        guard let weight = zeros.baseAddress, let bias = logits.baseAddress else { return }
        let gate = Gate(experts: count, inputs: 1, weight: weight, bias: bias, topK: topK)
        gate.forward([1], out: &out, ck_kernels_best().pointee)
      }
    }
    return out
  }

  @Test func theGateKeepsTheLargest() {
    #expect(distance(gate([1, 4, 3, 2], topK: 0), [0.1, 0.4, 0.3, 0.2]) < 1e-6)
    #expect(distance(gate([1, 4, 3, 2], topK: 1), [0, 1, 0, 0]) < 1e-6)
    #expect(distance(gate([1, 4, 3, 2], topK: 2), [0, 4 / 7, 3 / 7, 0]) < 1e-6)
    #expect(distance(gate([1, 4, 3, 2], topK: 3), [0, 4 / 9, 3 / 9, 2 / 9]) < 1e-6)
    for all in [4, 5, 1_000] { #expect(gate([1, 4, 3, 2], topK: all) == gate([1, 4, 3, 2], topK: 0)) }
  }

  @Test func theGateKeepsTheFirstOfEquals() {
    #expect(distance(gate([1, 2, 2, 2], topK: 2), [0, 0.5, 0.5, 0]) < 1e-6)
    #expect(distance(gate([5, 5, 5], topK: 1), [1, 0, 0]) < 1e-6)
    #expect(distance(gate([7], topK: 1), [1]) < 1e-6)
    // A weight of 0 is a logit of minus infinity.
    #expect(distance(gate([0, 3, 0, 1], topK: 3), [0, 0.75, 0, 0.25]) < 1e-6)
  }

  /// What damaged weights make must reach the scores, where it is found.
  @Test func theGateKeepsNaN() {
    for topK in [0, 1, 2] { #expect(gate([.nan, 1, 2], topK: topK).contains { $0.isNaN }) }
  }

  @Test func aRouterMixesTheExpertsItKept() throws {
    let directory = try TemporaryDirectory()
    let dense = try paper.router()
    let model = try EditedModel(paper)
    model.set("arms.gate.top_k", .uint32(2))
    let sparse = try Router(path: try model.write(to: directory))
    for number in 0..<3 {
      let query = Query(question: "How many?", images: (0..<number).map { image($0) })
      let (all, kept) = (try dense.route(query).gate, try sparse.route(query).gate)
      #expect(kept.filter { $0 > 0 }.count == 2 && abs(kept.reduce(0, +) - 1) < 1e-6)
      let rest = 1 - (all.min() ?? 0)
      #expect(distance(kept, all.map { $0 == all.min() ? 0 : $0 / rest }) < 1e-6)
    }
  }

  @Test func thePaperHeadClipsItsLogits() throws {
    let classifier = try paper.router().networks[0].head.classifier
    #expect(classifier.kind == .paper)
    #expect(classifier.logit(cosine: 0, beta: 9) == 0)
    #expect(abs(classifier.logit(cosine: 0.5, beta: 0) - 0.5493061) < 1e-6)
    for cosine in [0.99999, 1, 1.0000001, 1.5, .infinity, .greatestFiniteMagnitude] as [Float] {
      #expect(
        abs(classifier.logit(cosine: cosine, beta: 0) - 4) < 1e-3
          && classifier.logit(cosine: cosine, beta: 0) <= 4)
      #expect(classifier.logit(cosine: -cosine, beta: 0) == -classifier.logit(cosine: cosine, beta: 0))
    }
    #expect(classifier.logit(cosine: .nan, beta: 0).isNaN)
  }

  /// Bounds so wide that their tanh is 1, whose atanh is infinite.
  @Test func theBoundsHoldHoweverWide() throws {
    let directory = try TemporaryDirectory()
    let model = try EditedModel(paper)
    model.set("arms.logit_min", .float32(-1))
    model.set("arms.logit_max", .float32(1e30))
    let classifier = try Router(path: try model.write(to: directory)).networks[0].head.classifier
    #expect(classifier.logit(cosine: 1, beta: 0) == 1e30)
    #expect(classifier.logit(cosine: -1, beta: 0) == -1)
    model.set("arms.logit_min", .float32(1e30))
    let path = try model.write(to: directory)
    #expect(failure { try Router(path: path) }?.code == .invalidModel)
  }

  @Test func theScaledHeadIsAffine() throws {
    let router = try ModelFixture.named("bert-pooled-scaled.gguf").router()
    // Its alpha lies in the router's file.
    defer { extendLifetime(router) }
    let classifier = router.networks[0].head.classifier
    guard case .scaled(let alpha) = classifier.logit else {
      Issue.record("not the scaled head")
      return
    }
    #expect(classifier.logit(cosine: 0.25, beta: -1) == alpha.pointee * 0.25 - 1)
    #expect(classifier.logit(cosine: 2, beta: 3) == alpha.pointee * 2 + 3)
  }

  @Test func confidenceStaysANumber() {
    for logit in [-4, 0, 4, 1e38, -1e38] as [Float] {
      for temperature in [1, .leastNonzeroMagnitude, .greatestFiniteMagnitude] as [Float] {
        for bias in [0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude] as [Float] {
          #expect((0...1).contains(confidence(logit: logit, temperature: temperature, bias: bias)))
        }
      }
    }
  }

  /// One float layer among int8 ones needs OpenBLAS, wherever it is; without it loaded, its product would crash.
  @Test(arguments: ["attn_q", "attn_out", "ffn_up", "ffn_down"])
  func knowsThatItNeedsBLAS(_ name: String) throws {
    let directory = try TemporaryDirectory()
    let int8 = ModelFixture.named("bert-patches-paper-int8.gguf")
    #expect(try int8.router().networks[0].head.needsBLAS == false)
    let layers = name == "attn_q" ? ["attn_q", "attn_k"] : [name]
    let names = layers.map { "expert.1.\($0).weight" }
    let model = try EditedModel(int8, keeping: { tensor in !names.contains { tensor.hasPrefix($0) } })
    let float = try ModelFile(path: paper.path, copy: false)
    for name in names {
      let tensor = try #require(float.tensor(name))
      model.add(name, shape: tensor.shape, elements(tensor, Float.self))
    }
    let router = try Router(path: try model.write(to: directory))
    #expect(router.networks[0].head.needsBLAS && router.networks[0].needsBLAS)
    _ = try router.route(Query(question: "What?", images: [image(0)]))
  }

  /// The same of matrices whose floats an int8 layer would read.
  @Test(
    arguments: [
      "t.token_embd.weight", "t.blk.0.ffn_up.weight", "v.blk.0.ffn_up.weight", "expert.0.ffn_up.weight",
    ])
  func refusesMatricesThatAreNoneAmongInt8(_ name: String) throws {
    let directory = try TemporaryDirectory()
    let tensor = try #require(try ModelFile(path: paper.path, copy: false).tensor(name))
    let model = try EditedModel(.named("bert-patches-paper-int8.gguf"), keeping: { !$0.hasPrefix(name) })
    var values = elements(tensor, Float.self)
    model.add(name, shape: tensor.shape, values)
    _ = try Router(path: try model.write(to: directory))
    values[5] = .nan
    let damaged = try EditedModel(.named("bert-patches-paper-int8.gguf"), keeping: { !$0.hasPrefix(name) })
    damaged.add(name, shape: tensor.shape, values)
    let path = try damaged.write(to: directory)
    let error = failure { try Router(path: path) }
    #expect(error?.code == .invalidModel)
    #expect(error?.message.contains("\"\(name)\" has nan at 5") == true)
  }

  /// int8 layers would make numbers of NaN, and a confident score of damaged weights.
  @Test(
    arguments: [
      "gate.weight", "image_index.weight", "no_image.tokens", "no_image.pooled", "t.position_embd.weight",
      "v.position_embd.weight", "v.class_embd", "expert.0.ln.weight",
    ])
  func refusesFloatsThatAreNone(_ name: String) throws {
    let directory = try TemporaryDirectory()
    let source = try ModelFile(path: ModelFixture.named("bert-patches-paper-int8.gguf").path, copy: false)
    let tensor = try #require(source.tensor(name))
    for value in [Float.nan, .infinity] {
      let model = try EditedModel(.named("bert-patches-paper-int8.gguf"), keeping: { $0 != name })
      var values = elements(tensor, Float.self)
      values[values.count - 1] = value
      model.add(name, shape: tensor.shape, values)
      let path = try model.write(to: directory)
      let error = failure { try Router(path: path) }
      #expect(error?.code == .invalidModel)
      #expect(error?.message.contains("\"\(name)\" has \(value) at \(values.count - 1)") == true)
    }
  }

  /// Finite weights whose products are not: quantising between two layers must not make numbers of them.
  @Test(arguments: ["expert.0.ffn_up.weight.scale", "expert.0.ffn_down.weight.scale"])
  func refusesWhatOverflowsBetweenLayers(_ name: String) throws {
    let directory = try TemporaryDirectory()
    let fixture = ModelFixture.named("bert-patches-paper-int8.gguf")
    let tensor = try #require(try ModelFile(path: fixture.path, copy: false).tensor(name))
    let model = try EditedModel(fixture, keeping: { $0 != name })
    model.add(name, shape: tensor.shape, [Float](repeating: 3e38, count: elements(tensor, Float.self).count))
    let router = try Router(path: try model.write(to: directory))
    let error = failure { try router.route(Query(question: "How many red cars are on the left?")) }
    #expect(error?.code == .notFinite)
  }
}
