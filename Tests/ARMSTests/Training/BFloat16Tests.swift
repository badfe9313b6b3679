import Testing

@testable import ARMS

private func norm(_ values: some Sequence<Float>) -> Float {
  values.reduce(0) { $0 + $1 * $1 }.squareRoot()
}

/// Steps whose linear layers multiply operands rounded to bfloat16.
@Suite struct BFloat16Tests {
  static let scopes: [TrainingScope] = [.head, .text, .image, .all]

  static func options(_ scope: TrainingScope, bfloat16: Bool = true) -> TrainingOptions {
    var options = TrainingData.options(scope)
    options.usesBFloat16 = bfloat16
    return options
  }

  /// bfloat16 keeps 8 bits: each product is off by 1/256 at most, and the errors do not add up to more.
  @Test(arguments: scopes) func gradientsAreNearThoseOfFloat32(_ scope: TrainingScope) throws {
    let places = Array(0..<6)
    let (rounded, data) = try TrainingData.trainer(Self.options(scope))
    let (plain, _) = try TrainingData.trainer(Self.options(scope, bfloat16: false))
    let losses = try [rounded, plain].map { try $0.computeGradients(data, at: places) }
    #expect(abs(losses[0] - losses[1]) <= 0.01)
    let difference = norm(zip(rounded.gradients, plain.gradients).map { $0 - $1 })
    #expect(difference > 1e-4 * norm(plain.gradients) && difference < 0.05 * norm(plain.gradients))
  }

  /// Adapters are linear layers as well.
  @Test func adaptersLearnInBFloat16() throws {
    var options = adapterOptions()
    let gradients = try [true, false].map { bfloat16 in
      options.usesBFloat16 = bfloat16
      let (trainer, data) = try TrainingData.trainer(options)
      // Of B, which is 0 at first: A has no gradient before it.
      _ = try trainer.computeGradients(data, at: Array(0..<6))
      let places = trainer.layout.filter { $0.name.contains("lora_b") }.flatMap(\.range)
      return places.map { trainer.gradients[$0] }
    }
    let difference = norm(zip(gradients[0], gradients[1]).map { $0 - $1 })
    #expect(difference > 1e-4 * norm(gradients[1]) && difference < 0.05 * norm(gradients[1]))
  }

  @Test func learnsWithTheSameBitsInEveryRun() throws {
    var options = Self.options(.all)
    options.epochs = 10
    let trainers = try [2, 2, 1].map { threads in
      options.threads = threads
      let (trainer, data) = try TrainingData.trainer(options)
      return (trainer, try TrainerTests.losses(trainer, data))
    }
    #expect(trainers[0].0.bits == trainers[1].0.bits)
    #expect(zip(trainers[0].1, trainers[2].1).allSatisfy { abs($0 - $1) <= 1e-4 })
    #expect(try #require(trainers[0].1.last) < 0.9 * trainers[0].1[0])
  }

  /// Weights and what is measured of them are float32.
  @Test func measuresInFloat32() throws {
    let (rounded, data) = try TrainingData.trainer(Self.options(.all))
    let (plain, _) = try TrainingData.trainer(Self.options(.all, bfloat16: false))
    #expect(try rounded.evaluate(data) == plain.evaluate(data))
    try rounded.train(data)
    for (place, value) in rounded.values.enumerated() { plain.values[place] = value }
    #expect(try rounded.evaluate(data) == plain.evaluate(data))
    #expect(rounded.values.contains { $0.bitPattern & 0xffff != 0 })
  }
}
