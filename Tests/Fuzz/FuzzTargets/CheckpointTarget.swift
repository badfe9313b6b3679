import CARMS
import Glibc

/// The input is a list of changes to a checkpoint of a run that was cancelled half way.
func fuzzCheckpoint(_ bytes: UnsafeRawBufferPointer) {
  let source = ByteSource(bytes)
  var parts = TrainingHost.shared.parts
  for _ in 0..<8 where !source.isEmpty { parts.change(source) }
  let file = parts.assembled().withUnsafeBytes { MemoryFile([$0]) }
  let isTaken = TrainingHost.shared.resume(file.path)
  require(!(isTaken && parts.isReshaped), "a tensor of another shape or type is taken")
}

/// A trainer with its data, made once, and a sound checkpoint.
private final class TrainingHost: @unchecked Sendable {
  // Used by the one thread of the fuzzer; that is why @unchecked holds.
  static let shared = TrainingHost()

  private let trainer: OpaquePointer
  private let dataset: OpaquePointer
  private let sound = "\(Host.folder)/sound.ckpt"
  let parts: FileParts

  private init() {
    let router = Host.routers[1]
    dataset = Self.samples(for: router)
    var (made, options) = (OpaquePointer?.none, arms_trainer_options())
    options.struct_size = UInt32(MemoryLayout<arms_trainer_options>.size)
    (options.threads, options.batch_size, options.learning_rate) = (1, 2, 1e-3)
    Host.call { arms_trainer_create(router, &options, &made, $0) }
    guard let made else { fatalError("there is no trainer") }
    trainer = made
    // Half of the run: the metrics of one epoch, and some steps.
    require(Self.run(trainer, dataset, steps: 3, to: sound) == Int32(ARMS_ERROR_CANCELLED.rawValue), "no run")
    parts = FileParts(path: sound)
  }

  /// Questions with an outcome of every candidate.
  private static func samples(for router: OpaquePointer) -> OpaquePointer {
    var made: OpaquePointer?
    Host.call { arms_dataset_create(&made, $0) }
    guard let made else { fatalError("there is no data set") }
    var (candidates, count) = ([arms_candidate_info](repeating: arms_candidate_info(), count: 8), 0)
    candidates[0].struct_size = UInt32(MemoryLayout<arms_candidate_info>.size)
    Host.call { arms_candidates_list(router, &candidates, candidates.count, &count, nil, $0) }
    for number in 0..<4 {
      let question = String(repeating: "what ", count: number + 1)
      for place in 0..<count {
        withUnsafeBytes(of: candidates[place].name) { name in
          question.withCString { question in
            var outcome = arms_outcome()
            outcome.struct_size = UInt32(MemoryLayout<arms_outcome>.size)
            outcome.candidate = name.assumingMemoryBound(to: CChar.self).baseAddress
            outcome.label = Int32((number + place) % 2)
            withUnsafePointer(to: outcome) { outcome in
              var sample = arms_sample()
              sample.struct_size = UInt32(MemoryLayout<arms_sample>.size)
              (sample.text, sample.text_length) = (question, -1)
              (sample.outcomes, sample.outcome_count) = (outcome, 1)
              require(Host.call { arms_dataset_add(made, &sample, 1, $0) } == 0, "a sample is refused")
            }
          }
        }
      }
    }
    return made
  }

  /// Trains for so many steps; the run has four.
  @discardableResult
  private static func run(
    _ trainer: OpaquePointer, _ dataset: OpaquePointer, steps: Int32, to path: String
  ) -> arms_status {
    path.withCString { path in
      var (options, left) = (arms_run_options(), steps)
      options.struct_size = UInt32(MemoryLayout<arms_run_options>.size)
      (options.checkpoint_path, options.validation) = (path, dataset)
      return Host.call {
        arms_trainer_run(
          trainer, dataset, &options,
          { progress, left in
            require(progress?.pointee.loss.isFinite ?? false, "the loss is no number")
            guard let left = left?.assumingMemoryBound(to: Int32.self) else { return 1 }
            left.pointee -= 1
            return left.pointee > 0 ? 0 : 1
          }, &left, $0)
      }
    }
  }

  /// Resumes from a file. What is refused must leave the trainer as it was; what is taken must go on.
  /// Returns whether it was taken.
  func resume(_ path: String) -> Bool {
    require(Host.call { arms_trainer_resume(trainer, sound, $0) } == 0, "the sound checkpoint is refused")
    let before = parameters
    guard Host.call({ arms_trainer_resume(trainer, path, $0) }) == 0 else {
      require(parameters == before, "a checkpoint that is refused changes the trainer")
      return false
    }
    require(parameters.allSatisfy { Float(bitPattern: $0).isFinite }, "a parameter is not finite")
    listMetrics()
    Self.run(trainer, dataset, steps: 3, to: path)
    listMetrics()
    return true
  }

  /// The bits of the trained weights.
  private var parameters: [UInt32] {
    var (values, count) = (UnsafeMutablePointer<Float>?.none, 0)
    Host.call { arms_trainer_parameters(trainer, &values, &count, $0) }
    return UnsafeRawBufferPointer(start: values, count: 4 * count).bindMemory(to: UInt32.self).map { $0 }
  }

  private func listMetrics() {
    var count = 0
    require(
      Host.call { arms_trainer_metrics(trainer, nil, 0, &count, $0) } == 0, "the metrics are not counted")
    var metrics = [arms_metrics](repeating: arms_metrics(), count: count + 1)
    metrics[0].struct_size = UInt32(MemoryLayout<arms_metrics>.size)
    require(
      Host.call { arms_trainer_metrics(trainer, &metrics, count, &count, $0) } == 0 || count == 0,
      "the metrics are not listed")
  }
}
