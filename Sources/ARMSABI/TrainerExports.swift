import ARMS
public import CARMS

/// Makes a trainer. Documented in `arms.h`.
@_cdecl("arms_trainer_create") @implementation
public func arms_trainer_create(
  _ router: OpaquePointer?, _ options: UnsafePointer<arms_trainer_options>?,
  _ trainer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let out = try required(trainer, "trainer")
    let (number, options) = try trainerOptions(options)
    out.pointee = try newHandle(HostTrainer(try Trainer(router, number: number, options: options)))
  }
}

/// Frees a trainer. Documented in `arms.h`.
@_cdecl("arms_trainer_free") @implementation
public func arms_trainer_free(_ trainer: OpaquePointer?) { HandleTable.shared.remove(trainer, .trainer) }

/// Trains. Documented in `arms.h`.
@_cdecl("arms_trainer_run") @implementation
public func arms_trainer_run(
  _ trainer: OpaquePointer?, _ dataset: OpaquePointer?, _ options: UnsafePointer<arms_run_options>?,
  _ callback: arms_progress_callback?, _ userData: UnsafeMutableRawPointer?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let dataset = try ARMSABI.dataset(dataset, "dataset")
    let (validation, checkpoint) = try runOptions(options)
    try host.use { (trainer) throws(ARMSError) in
      host.metrics = []
      host.metrics = try trainer.train(dataset, validation: validation, checkpoint: checkpoint) { progress in
        host.metrics = trainer.validations
        guard let callback else { return true }
        return report(progress, to: callback, userData)
      }
    }
  }
}

/// Lists what validations gave. Documented in `arms.h`.
@_cdecl("arms_trainer_metrics") @implementation
public func arms_trainer_metrics(
  _ trainer: OpaquePointer?, _ metrics: UnsafeMutablePointer<arms_metrics>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let values = try ARMSABI.trainer(trainer).metrics
    try deliver(
      structs: values.map(convert), to: metrics, capacity: capacity, count: try required(count, "count"),
      "metrics")
  }
}

/// Measures the present weights. Documented in `arms.h`.
@_cdecl("arms_trainer_evaluate") @implementation
public func arms_trainer_evaluate(
  _ trainer: OpaquePointer?, _ dataset: OpaquePointer?, _ metrics: UnsafeMutablePointer<arms_metrics>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let dataset = try ARMSABI.dataset(dataset, "dataset")
    let out = try required(metrics, "metrics")
    try structSize(out, "metrics")
    let measured = try host.use { (trainer) throws(ARMSError) in try trainer.evaluate(dataset) }
    try write(convert(measured), to: out, "metrics")
  }
}

/// Makes the new weights the router's. Documented in `arms.h`.
@_cdecl("arms_trainer_commit") @implementation
public func arms_trainer_commit(
  _ trainer: OpaquePointer?, _ generation: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let number = try host.use { (trainer) throws(ARMSError) in try trainer.commit() }
    generation?.pointee = number
    logReplaced(generation: number, by: "arms_trainer_commit")
  }
}

/// Writes a model file. Documented in `arms.h`.
@_cdecl("arms_trainer_save") @implementation
public func arms_trainer_save(
  _ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ type: UInt32,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let path = try string(path, "path")
    let type = try weightType(type)
    try host.use { (trainer) throws(ARMSError) in try trainer.save(to: path, type: type) }
  }
}

/// Writes an adapter. Documented in `arms.h`.
@_cdecl("arms_trainer_save_adapter") @implementation
public func arms_trainer_save_adapter(
  _ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let path = try string(path, "path")
    try host.use { (trainer) throws(ARMSError) in try trainer.saveAdapter(to: path) }
  }
}

/// Writes a checkpoint. Documented in `arms.h`.
@_cdecl("arms_trainer_checkpoint") @implementation
public func arms_trainer_checkpoint(
  _ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let path = try string(path, "path")
    try host.use { (trainer) throws(ARMSError) in try trainer.saveCheckpoint(to: path) }
  }
}

/// Reads a checkpoint. Documented in `arms.h`.
@_cdecl("arms_trainer_resume") @implementation
public func arms_trainer_resume(
  _ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let path = try string(path, "path")
    try host.use { (trainer) throws(ARMSError) in
      try trainer.resume(from: path)
      host.metrics = trainer.validations
    }
  }
}

/// The trainer of a handle.
func trainer(_ handle: OpaquePointer?) throws(ARMSError) -> HostTrainer {
  try object(handle, as: HostTrainer.self, "trainer")
}

/// The options of a trainer, and whose router it is for.
func trainerOptions(
  _ pointer: UnsafePointer<arms_trainer_options>?, _ label: String = "options"
) throws(ARMSError) -> (number: Int, options: TrainingOptions) {
  var result = TrainingOptions()
  guard let pointer else { return (0, result) }
  let options = try read(pointer, label)
  try unused(options.reserved, label)
  let balance = UInt32(ARMS_TRAINER_BALANCE_CLASSES.rawValue)
  let baseRates = UInt32(ARMS_TRAINER_BASE_RATES.rawValue)
  let bfloat16 = UInt32(ARMS_TRAINER_BFLOAT16.rawValue)
  let known = balance | baseRates | bfloat16
  guard options.flags & ~known == 0 else {
    throw ARMSError(
      .invalidArgument,
      "\(label).flags is \(options.flags); the known flags are \(known), see arms_trainer_flag")
  }
  result.scope = TrainingScope(
    textLayers: layers(options.text_layers), imageLayers: layers(options.image_layers))
  guard options.lora_rank > 0 || options.lora_targets == 0 && options.lora_alpha == 0 else {
    throw ARMSError(
      .invalidArgument,
      "\(label).lora_rank is 0, but lora_targets or lora_alpha is not; set a rank, or leave all three at 0")
  }
  if options.lora_rank > 0 {
    result.adapters = AdapterOptions(
      rank: Int(options.lora_rank), alpha: options.lora_alpha,
      targets: options.lora_targets == 0 ? .all : .init(rawValue: options.lora_targets))
  }
  if options.epochs > 0 { result.epochs = Int(options.epochs) }
  if options.batch_size > 0 { result.batchSize = Int(options.batch_size) }
  result.microBatchSize = Int(options.micro_batch_size)
  switch arms_schedule(options.schedule) {
  case ARMS_SCHEDULE_CONSTANT: result.learningRate.shape = .constant
  case ARMS_SCHEDULE_COSINE: result.learningRate.shape = .cosine
  default:
    throw ARMSError(
      .invalidArgument, "\(label).schedule is \(options.schedule); 0 or 1 is wanted, see arms_schedule")
  }
  result.learningRate.warmup = Int(options.warmup_steps)
  if options.learning_rate != 0 { result.learningRate.peak = options.learning_rate }
  if options.weight_decay != 0 { result.weightDecay = options.weight_decay < 0 ? 0 : options.weight_decay }
  result.clip = options.clip
  result.balancesClasses = options.flags & balance != 0
  result.startsAtBaseRates = options.flags & baseRates != 0
  result.usesBFloat16 = options.flags & bfloat16 != 0
  result.routingWeight = options.routing_weight
  if options.routing_sharpness != 0 { result.routingSharpness = options.routing_sharpness }
  result.teacherWeight = options.teacher_weight
  if options.teacher_ridge != 0 { result.teacherRidge = options.teacher_ridge }
  result.seed = options.seed
  result.threads = Int(options.threads)
  if options.cache_bytes > 0 { result.cacheBytes = Int(clamping: options.cache_bytes) }
  return (Int(options.router), result)
}

private func layers(_ count: UInt32) -> Int { count == ARMS_ALL_LAYERS ? .max : Int(count) }

private func runOptions(
  _ pointer: UnsafePointer<arms_run_options>?
) throws(ARMSError) -> (validation: DataSet?, checkpoint: Checkpointing?) {
  guard let pointer else { return (nil, nil) }
  let options = try read(pointer, "options")
  var validation: DataSet?
  if let handle = options.validation { validation = try dataset(handle, "options.validation") }
  guard let path = try optionalString(options.checkpoint_path, "options.checkpoint_path") else {
    return (validation, nil)
  }
  var checkpoint = Checkpointing(path: path)
  if options.checkpoint_interval > 0 { checkpoint.interval = Int(options.checkpoint_interval) }
  return (validation, checkpoint)
}

private func weightType(_ type: UInt32) throws(ARMSError) -> WeightType? {
  switch arms_weight_type(type) {
  case ARMS_WEIGHT_UNCHANGED: return nil
  case ARMS_WEIGHT_F32: return .f32
  case ARMS_WEIGHT_F16: return .f16
  case ARMS_WEIGHT_BF16: return .bf16
  case ARMS_WEIGHT_INT8: return .int8
  default:
    throw ARMSError(.invalidArgument, "type is \(type); 0 to 4 is wanted, see arms_weight_type")
  }
}

/// Calls the host's callback; false if it cancels.
func report(
  _ progress: TrainingProgress, to callback: arms_progress_callback, _ userData: UnsafeMutableRawPointer?
) -> Bool {
  var result = arms_progress()
  result.struct_size = UInt32(MemoryLayout<arms_progress>.size)
  result.epoch = UInt32(clamping: progress.epoch)
  result.step = UInt64(clamping: progress.step)
  result.step_count = UInt64(clamping: progress.steps)
  result.loss = progress.loss
  result.learning_rate = progress.learningRate
  guard let validation = progress.validation else { return callback(&result, userData) == 0 }
  return withUnsafePointer(to: convert(validation)) { metrics in
    result.validation = metrics
    return callback(&result, userData) == 0
  }
}

private func convert(_ metrics: TrainingMetrics) -> arms_metrics {
  var result = arms_metrics()
  result.struct_size = UInt32(MemoryLayout<arms_metrics>.size)
  result.query_count = UInt64(clamping: metrics.queries)
  result.outcome_count = UInt64(clamping: metrics.outcomes)
  result.loss = metrics.loss
  result.accuracy = metrics.accuracy
  result.exact_match = metrics.exactMatch
  return result
}
