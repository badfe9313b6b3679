import Glibc
import Testing

@testable import ARMS

@Suite struct CheckpointTests {
  let directory: TemporaryDirectory
  var path: String { "\(directory.path)/run.ckpt" }

  init() throws { directory = try TemporaryDirectory() }

  /// A run that stops behind `step` steps, and one that goes on from its checkpoint, give the bits of one that was not
  /// interrupted.
  @Test(arguments: [TrainingScope.head, TrainingScope(textLayers: 1, imageLayers: .max)], [1, 2, 3, 5])
  func goesOnToTheSameBits(_ scope: TrainingScope, step: Int) throws {
    let options = TrainingData.options(scope)
    let (whole, data) = try TrainingData.trainer(options)
    let expected = try whole.train(data, validation: data)
    let (first, firstData) = try TrainingData.trainer(options)
    let error = failure {
      try first.train(
        firstData, validation: firstData, checkpoint: Checkpointing(path: path, interval: 100)
      ) { $0.step < step }
    }
    #expect(error?.code == .cancelled)
    // As in another process: nothing is left of the first.
    let (second, secondData) = try TrainingData.trainer(options)
    try second.resume(from: path)
    var steps: [Int] = []
    let metrics = try second.train(secondData, validation: secondData) {
      steps.append($0.step)
      return true
    }
    #expect(steps == Array(step + 1...6))
    #expect(metrics == expected)
    #expect(second.bits == whole.bits)
    #expect(directory.names == ["run.ckpt"])
  }

  /// A checkpoint may be wanted of a run that began without any, and has not hashed its data.
  @Test func goesOnFromACheckpointThatTheRunDidNotPlan() throws {
    let options = TrainingData.options(.head)
    let (whole, data) = try TrainingData.trainer(options)
    try whole.train(data)
    let (first, _) = try TrainingData.trainer(options)
    #expect(failure { try first.train(data) { $0.step < 3 } }?.code == .cancelled)
    try first.saveCheckpoint(to: path)
    let (second, _) = try TrainingData.trainer(options)
    try second.resume(from: path)
    try second.train(data, checkpoint: Checkpointing(path: path))
    #expect(second.bits == whole.bits)
    // From here on the data is known.
    let (third, _) = try TrainingData.trainer(options)
    try third.resume(from: path)
    let other = try TrainingData.set(.named("distilbert-patches-scaled.gguf"), count: 5)
    #expect(failure { try third.train(other) }?.message.contains("other data") == true)
  }

  /// A validation that fails takes back no step, and makes none twice.
  @Test func goesOnBehindAValidationThatFailed() throws {
    let options = TrainingData.options(.head)
    let (whole, data) = try TrainingData.trainer(options)
    try whole.train(data)
    let (first, _) = try TrainingData.trainer(options)
    let broken = DataSet()
    try broken.append([
      try Sample(
        question: "Why?", copying: [ImageInput(.path("\(directory.path)/absent.png"))],
        outcomes: [Outcome(candidate: first.pool.candidates[0].name, label: 1)])
    ])
    #expect(failure { try first.train(data, validation: broken) }?.code == .io)
    try first.saveCheckpoint(to: path)
    let (second, _) = try TrainingData.trainer(options)
    try second.resume(from: path)
    #expect(second.bits == first.bits)
    #expect(try TrainerTests.losses(second, data).count == 4)
    #expect(second.bits == whole.bits)
    // What was not measured is measured now.
    let (third, _) = try TrainingData.trainer(options)
    try third.resume(from: path)
    #expect(try third.train(data, validation: data).count == options.epochs)
    #expect(third.bits == whole.bits)
  }

  /// A resumed run that fails before its first step has made none: it can be made again.
  @Test func goesOnWhenTheFirstTryFailed() throws {
    let options = TrainingData.options(.head)
    let image = "\(directory.path)/image.jpg"
    func give() throws { try write(try ImageFixtures.bytes("jpeg_420.jpg"), image) }
    func set(_ trainer: Trainer) throws -> DataSet {
      let (data, name) = (DataSet(), trainer.pool.candidates[0].name)
      try data.append(
        (0..<6).map { number in
          try Sample(
            question: "question \(number)", copying: [ImageInput(.path(image))],
            outcomes: [Outcome(candidate: name, label: Float(number % 2))])
        })
      return data
    }
    try give()
    let (whole, _) = try TrainingData.trainer(options)
    try whole.train(set(whole))
    let (first, _) = try TrainingData.trainer(options)
    let stopped = failure {
      try first.train(set(first), checkpoint: Checkpointing(path: path)) { $0.step < 3 }
    }
    #expect(stopped?.code == .cancelled)
    let (second, _) = try TrainingData.trainer(options)
    try second.resume(from: path)
    unlink(image)
    #expect(failure { try second.train(set(second)) }?.code == .io)
    #expect(second.bits == first.bits)
    try give()
    #expect(try TrainerTests.losses(second, set(second)).count == 3)
    #expect(second.bits == whole.bits)
  }

  @Test func writesAtItsInterval() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.head))
    var steps: [UInt64] = []
    try trainer.train(data, checkpoint: Checkpointing(path: path, interval: 2)) { progress in
      if let file = try? ModelFile(path: path, copy: true, architecture: .checkpoint) {
        steps.append(UInt64(file.value("arms.checkpoint.step")?.integer ?? 0))
      }
      return true
    }
    #expect(steps == [2, 2, 4, 4])
    // The last one is of the end: nothing is left to do.
    let (again, _) = try TrainingData.trainer(TrainingData.options(.head))
    try again.resume(from: path)
    try again.train(data) { _ in
      Issue.record("a run that is over made a step")
      return true
    }
    #expect(again.bits == trainer.bits)
    // And a further run begins anew.
    #expect(try TrainerTests.losses(again, data).count == 6)
  }

  @Test func continuesGradientSteps() throws {
    let options = TrainingData.options(.image)
    let (whole, data) = try TrainingData.trainer(options)
    for place in 0..<4 {
      _ = try whole.computeGradients(data, at: [place])
      try whole.applyGradients(rate: 1e-3)
      if place == 1 { try whole.saveCheckpoint(to: path) }
    }
    let (second, _) = try TrainingData.trainer(options)
    try second.resume(from: path)
    for place in 2..<4 {
      _ = try second.computeGradients(data, at: [place])
      try second.applyGradients(rate: 1e-3)
    }
    #expect(second.bits == whole.bits)
  }

  @Test func refusesWhatIsNotThisRun() throws {
    let options = TrainingData.options(.head)
    let (trainer, data) = try TrainingData.trainer(options)
    _ = failure { try trainer.train(data, checkpoint: Checkpointing(path: path)) { $0.step < 2 } }

    func refusal(_ trainer: Trainer, _ text: String, _ body: (Trainer) throws -> Void) {
      let before = trainer.bits
      let error = failure { try body(trainer) }
      #expect(
        error?.code == .invalidArgument && error?.message.contains(text) == true,
        "\(String(describing: error))")
      #expect(trainer.bits == before)
    }
    for change: (inout TrainingOptions) -> Void in [
      { $0.seed = 6 }, { $0.batchSize = 3 }, { $0.learningRate.peak = 2e-3 }, { $0.epochs = 4 },
      { $0.weightDecay = 0 }, { $0.threads = 1 }, { $0.balancesClasses = true }, { $0.usesBFloat16 = true },
    ] {
      var changed = options
      change(&changed)
      refusal(try TrainingData.trainer(changed).trainer, "options") { try $0.resume(from: path) }
    }
    let other = try TrainingData.trainer(options, model: "distilbert-pooled-paper.gguf").trainer
    refusal(other, "another router") { try $0.resume(from: path) }
    let router = try TrainingData.router(.named("distilbert-patches-scaled.gguf"))
    try router.add([Candidate(name: "new", profile: "New.")])
    refusal(try Trainer(router, options: options), "candidates") { try $0.resume(from: path) }
    let (resumed, _) = try TrainingData.trainer(options)
    try resumed.resume(from: path)
    let more = DataSet()
    try more.append(data.samples)
    try more.append([Sample(question: "more", outcomes: data.samples[0].outcomes)])
    refusal(resumed, "other data") { try $0.train(more) }
    // With the right data it still goes on.
    #expect(try TrainerTests.losses(resumed, data).count == 4)
  }

  /// Every cut and every flipped byte is refused or harmless; none changes the trainer or ends the process.
  @Test func refusesDamagedFiles() throws {
    let options = TrainingData.options(.head)
    let (trainer, data) = try TrainingData.trainer(options)
    _ = failure { try trainer.train(data, checkpoint: Checkpointing(path: path)) { $0.step < 2 } }
    let bytes = try read(path)
    let (victim, _) = try TrainingData.trainer(options)
    let before = victim.bits
    var random = SplitMix64(seed: 3)
    let damaged = "\(directory.path)/damaged"
    for length in [0, 3, 24, 100, bytes.count / 2, bytes.count - 64] {
      try write(Array(bytes[..<length]), damaged)
      let error = failure { try victim.resume(from: damaged) }
      #expect(error?.code == .invalidModel || error?.code == .io, "cut at \(length)")
      #expect(victim.bits == before)
    }
    for _ in 0..<300 {
      var changed = bytes
      let place = Int.random(in: 0..<2_048, using: &random)
      changed[place] ^= UInt8.random(in: 1...255, using: &random)
      try write(changed, damaged)
      let (other, _) = (victim, 0)
      if failure({ try other.resume(from: damaged) }) != nil { #expect(other.bits == before) } else { break }
    }
    let offset = bytes.count - 64
    for bits in [Float.nan.bitPattern, Float.infinity.bitPattern, (-1 as Float).bitPattern] {
      var changed = bytes
      withUnsafeBytes(of: bits) { changed.replaceSubrange(offset..<offset + 4, with: $0) }
      try write(changed, damaged)
      let (fresh, _) = try TrainingData.trainer(options)
      let error = failure { try fresh.resume(from: damaged) }
      #expect(error?.code == .invalidModel && error?.message.contains("moments.second") == true)
    }
    #expect(
      failure { try victim.resume(from: ModelFixture.named("bert-patches-paper.gguf").path) }?.code
        == .unsupported)
    #expect(failure { try Router(path: path) }?.code == .unsupported)
  }

  /// Of a run that went wrong no checkpoint takes the place of one that can be resumed.
  @Test func keepsTheLastGoodCheckpoint() throws {
    var options = TrainingData.options(.head)
    (options.batchSize, options.learningRate) = (100, LearningRate(peak: 1e30, warmup: 0, shape: .constant))
    let (trainer, data) = try TrainingData.trainer(options)
    try trainer.saveCheckpoint(to: path)
    let old = try read(path)
    let error = failure {
      try trainer.train(data, validation: data, checkpoint: Checkpointing(path: path, interval: 1))
    }
    #expect(error?.code == .notFinite && error?.message.contains("validation loss after step 1") == true)
    #expect(trainer.run?.metrics.isEmpty == true)
    #expect(try read(path) == old)
    trainer.parameters.values[0] = .nan
    #expect(failure { try trainer.saveCheckpoint(to: path) }?.code == .notFinite)
    #expect(try read(path) == old)
    try TrainingData.trainer(options).trainer.resume(from: path)
  }

  /// A folder that takes no file leaves the old checkpoint and what was learned.
  @Test func aFailedWriteLeavesTheOldFile() throws {
    let (trainer, data) = try TrainingData.trainer(TrainingData.options(.head))
    _ = failure { try trainer.train(data, checkpoint: Checkpointing(path: path)) { $0.step < 2 } }
    let old = try read(path)
    let error = failure { try trainer.saveCheckpoint(to: "\(directory.path)/none/run.ckpt") }
    #expect(error?.code == .io)
    #expect(failure { try trainer.saveCheckpoint(to: directory.path) }?.code == .io)
    #expect(
      failure { try trainer.train(data, checkpoint: Checkpointing(path: path, interval: 0)) }?.code
        == .invalidArgument)
    // A read-only folder stops root as little as anyone else may be stopped by a mode alone; a file in the way does.
    let steps = trainer.optimizer.step
    #expect(
      failure {
        try trainer.train(data, checkpoint: Checkpointing(path: "\(path)/below", interval: 1))
      }?.code == .io)
    // It is told before the first step; a folder that goes amid the run takes none of its steps away.
    #expect(trainer.optimizer.step == steps)
    let folder = "\(directory.path)/folder"
    mkdir(folder, 0o777)
    #expect(
      failure {
        try trainer.train(data, checkpoint: Checkpointing(path: "\(folder)/file", interval: 1)) { _ in
          rmdir(folder) == 0
        }
      }?.code == .io)
    #expect(trainer.optimizer.step == steps + 1)
    #expect(try read(path) == old)
    #expect(directory.names == ["run.ckpt"])
  }

  private func read(_ path: String) throws -> [UInt8] {
    let file = try FileBytes(path: path, copy: true)
    return Array(file.bytes)
  }

  private func write(_ bytes: [UInt8], _ path: String) throws {
    let file = try #require(fopen(path, "w"))
    defer { fclose(file) }
    #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  }
}
