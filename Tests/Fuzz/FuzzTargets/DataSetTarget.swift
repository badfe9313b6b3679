import CARMS
import Glibc

/// The input is a list of calls that fill data sets with samples, and of those that read them: every string, label,
/// weight, image, stride and count any.
func fuzzDataSet(_ bytes: UnsafeRawBufferPointer) {
  var calls = DataSetCalls(ByteSource(bytes))
  for _ in 0..<32 where !calls.source.isEmpty { calls.next() }
  calls.freeAll()
}

private struct DataSetCalls {
  private var draw: HostArguments
  var source: ByteSource { draw.source }
  /// Readers take long; an input has so many.
  private var readersLeft = 3

  init(_ source: ByteSource) {
    draw = HostArguments(source)
    create()
  }

  mutating func next() {
    switch source.next(UInt8.self) % 16 {
    case 0: create()
    case 1: free()
    case 2...8: add()
    case 9: _ = counts(draw.handle(), draw.counter(), draw.counter())
    case 10: memory()
    default: read()
    }
  }

  mutating func freeAll() {
    for handle in draw.handles {
      arms_dataset_free(handle)
      arms_trainer_free(handle)
      arms_router_free(handle)
    }
  }

  // MARK: Samples

  private func outcome(_ outcome: UnsafeMutablePointer<arms_outcome>) {
    outcome.pointee.candidate = draw.name()
    let ways = source.next(UInt8.self)
    if ways & 3 != 0 { outcome.pointee.label &= 1 }
    if ways & 12 != 0 { outcome.pointee.flags &= 1 }
    if ways & 48 != 0 { (outcome.pointee.weight, outcome.pointee.cost) = (Float(ways >> 6), 0.5) }
  }

  /// A sample; `outcomes` receives how many it has.
  private func sample(_ sample: UnsafeMutablePointer<arms_sample>, outcomes: inout Int) {
    (sample.pointee.text, sample.pointee.text_length) = draw.text()
    let images = source.once(in: 2) ? 0 : source.below(4)
    sample.pointee.image_count = UInt32(images)
    sample.pointee.images = UnsafePointer(draw.structs(arms_image_input.self, count: images, draw.image))
    let count = source.below(4)
    sample.pointee.outcome_count = count
    sample.pointee.outcomes = UnsafePointer(draw.structs(arms_outcome.self, count: count, outcome))
    outcomes += count
  }

  private mutating func create() {
    var dataset: OpaquePointer?
    Host.call { arms_dataset_create(&dataset, $0) }
    draw.handles.append(dataset)
  }

  private func free() {
    let handle = draw.handle()
    switch source.below(3) {
    case 0: arms_trainer_free(handle)
    case 1: arms_router_free(Host.routers.contains { $0 == handle } ? nil : handle)
    default: arms_dataset_free(handle)
    }
  }

  /// All samples are added or none, and what was counted before stays.
  private func add() {
    let dataset = source.once(in: 8) ? draw.handle() : draw.handles[1]
    let before = counts(dataset)
    let count = source.below(4)
    var outcomes = 0
    let samples = draw.structs(arms_sample.self, count: count) { sample($0, outcomes: &outcomes) }
    let status = Host.call { arms_dataset_add(dataset, samples, count, $0) }
    guard let before, let after = counts(dataset) else { return }
    let added = (after.queries - before.queries, after.outcomes - before.outcomes)
    require(
      status == 0 ? (0...count).contains(added.0) && added.1 == outcomes : added == (0, 0),
      "status \(status) of \(count) samples with \(outcomes) outcomes, and \(added) came to the data set")
  }

  private func counts(_ dataset: OpaquePointer?) -> (queries: Int, outcomes: Int)? {
    var (queries, outcomes) = (0, 0)
    return counts(dataset, &queries, &outcomes) == 0 ? (queries, outcomes) : nil
  }

  private func counts(
    _ dataset: OpaquePointer?, _ queries: UnsafeMutablePointer<Int>?, _ outcomes: UnsafeMutablePointer<Int>?
  ) -> arms_status { Host.call { arms_dataset_count(dataset, queries, outcomes, $0) } }

  private func memory() {
    let memory = draw.structs(arms_dataset_bytes.self, filled: false)
    Host.call { arms_dataset_memory(draw.handle(), memory, $0) }
  }

  // MARK: Readers

  private mutating func read() {
    guard readersLeft > 0 else { return }
    readersLeft -= 1
    let dataset = source.once(in: 8) ? draw.handle() : draw.handles[1]
    switch source.below(6) {
    case 0: calibrate(dataset)
    case 1: fit(dataset)
    case 2: extend(dataset)
    default: train(dataset)
    }
  }

  /// A router of this input's own.
  private mutating func ownRouter() -> OpaquePointer? {
    let router = Host.open(Host.model(source.below(2)), Host.options())
    draw.handles.append(router)
    return source.once(in: 8) ? draw.handle() : router
  }

  private mutating func calibrate(_ dataset: OpaquePointer?) {
    let (router, strength) = (ownRouter(), source.double())
    Host.call { arms_router_calibrate(router, dataset, strength, nil, $0) }
  }

  private mutating func fit(_ dataset: OpaquePointer?) {
    let (router, (names, count), strength) = (ownRouter(), draw.names(), source.double())
    Host.call { arms_candidates_fit(router, names, count, dataset, strength, nil, $0) }
  }

  private mutating func extend(_ dataset: OpaquePointer?) {
    let (router, (names, count)) = (ownRouter(), draw.names())
    let training = trainerOptions()
    let options = draw.structs(arms_extension_options.self) { options in
      options.pointee.training = UnsafePointer(training)
      options.pointee.replayed = source.once(in: 2) ? dataset : nil
      options.pointee.held_out = source.once(in: 2) ? dataset : nil
      options.pointee.validation = source.once(in: 2) ? dataset : nil
      if source.once(in: 2) {
        (options.pointee.replay_share, options.pointee.distillation, options.pointee.tolerance) = (0.5, 0, 0)
      }
    }
    let report = draw.structs(arms_extension_report.self, filled: false)
    Host.call { arms_router_extend(router, names, count, dataset, options, nil, nil, report, $0) }
  }

  private func trainerOptions() -> UnsafeMutablePointer<arms_trainer_options>? {
    let isSound = !source.once(in: 4)
    return draw.structs(arms_trainer_options.self) { options in
      // What makes a run long is no fault of it.
      options.pointee.threads = 1
      options.pointee.epochs = 1 + options.pointee.epochs % 2
      guard isSound else { return }
      options.pointee.flags &= 3
      options.pointee.router = 0
      // The models have two layers.
      options.pointee.text_layers = [0, 1, 2, ARMS_ALL_LAYERS][Int(options.pointee.text_layers % 4)]
      options.pointee.image_layers = [0, 1, 2, ARMS_ALL_LAYERS][Int(options.pointee.image_layers % 4)]
      let isHeadAlone = options.pointee.text_layers == 0 && options.pointee.image_layers == 0
      options.pointee.lora_rank = isHeadAlone ? 0 : options.pointee.lora_rank % 3
      options.pointee.lora_targets %= 64
      options.pointee.lora_alpha = 1
      options.pointee.schedule %= 2
      options.pointee.batch_size %= 5
      options.pointee.micro_batch_size %= 5
      options.pointee.learning_rate = 1e-3
      (options.pointee.weight_decay, options.pointee.clip) = (0, 1)
      (options.pointee.routing_weight, options.pointee.routing_sharpness) = (0.5, 0)
      // With a teacher no gradients are computed by hand.
      (options.pointee.teacher_weight, options.pointee.teacher_ridge) = (
        options.pointee.seed % 2 == 0 ? 0.5 : 0, 0
      )
    }
  }

  private mutating func train(_ dataset: OpaquePointer?) {
    var trainer: OpaquePointer?
    let (router, options) = (Host.routers[source.below(Host.routers.count)], trainerOptions())
    Host.call { arms_trainer_create(router, options, &trainer, $0) }
    draw.handles.append(trainer)
    for _ in 0..<4 where !source.isEmpty { use(trainer, dataset) }
  }

  private func use(_ trainer: OpaquePointer?, _ dataset: OpaquePointer?) {
    switch source.below(9) {
    case 0, 1: run(trainer, dataset)
    case 2:
      let metrics = draw.structs(arms_metrics.self, filled: false)
      Host.call { arms_trainer_evaluate(trainer, dataset, metrics, $0) }
    case 3: gradients(trainer, dataset)
    case 4:
      let rate = source.double()
      Host.call { arms_trainer_apply_gradients(trainer, rate, $0) }
    case 5:
      let count = source.below(6)
      let metrics = draw.structs(arms_metrics.self, count: max(count, 1), filled: false)
      Host.call { arms_trainer_metrics(trainer, metrics, count, draw.counter(), $0) }
    case 6:
      let capacity = source.once(in: 2) ? 128 : source.below(4)
      let ranges = draw.structs(arms_tensor_range.self, count: max(capacity, 1), filled: false)
      Host.call { arms_trainer_layout(trainer, ranges, capacity, draw.counter(), $0) }
    case 7:
      let path = "\(Host.folder)/saved.gguf"
      if Host.call({ arms_trainer_save(trainer, path, UInt32(source.below(6)), $0) }) == 0 {
        let saved = Host.open(path, Host.options())
        require(saved != nil, "what a trainer saved is refused")
        arms_router_free(saved)
      }
    default: Host.call { arms_trainer_save_adapter(trainer, "\(Host.folder)/saved.gguf", $0) }
    }
  }

  private func run(_ trainer: OpaquePointer?, _ dataset: OpaquePointer?) {
    let validation = source.once(in: 2) ? draw.handle() : nil
    let path = "\(Host.folder)/run.ckpt"
    path.withCString { path in
      let options = draw.structs(arms_run_options.self) { options in
        options.pointee.validation = validation
        options.pointee.checkpoint_path = source.once(in: 4) ? path : nil
      }
      var stepsLeft = Int32(source.below(6))
      let status = Host.call {
        arms_trainer_run(
          trainer, dataset, options,
          { progress, left in
            guard let progress, let left = left?.assumingMemoryBound(to: Int32.self) else { return 1 }
            require(progress.pointee.loss.isFinite, "the loss is \(progress.pointee.loss)")
            left.pointee -= 1
            return left.pointee < 0 ? 1 : 0
          }, &stepsLeft, $0)
      }
      require(
        (status == Int32(ARMS_ERROR_CANCELLED.rawValue)) == (stepsLeft < 0),
        "status \(status) with \(stepsLeft)")
    }
    unlink(path)
  }

  private func gradients(_ trainer: OpaquePointer?, _ dataset: OpaquePointer?) {
    let count = source.below(6)
    let queries = source.block(8 * count).assumingMemoryBound(to: Int.self)
    for index in 0..<count { queries[index] = source.once(in: 8) ? source.next() : source.below(8) }
    Host.call {
      arms_trainer_compute_gradients(trainer, dataset, source.once(in: 16) ? nil : queries, count, nil, $0)
    }
  }
}
