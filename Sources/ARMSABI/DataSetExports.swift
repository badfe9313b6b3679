import ARMS
public import CARMS

/// Makes an empty data set. Documented in `arms.h`.
@_cdecl("arms_dataset_create") @implementation
public func arms_dataset_create(
  _ dataset: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let out = try required(dataset, "dataset")
    out.pointee = try newHandle(DataSet())
  }
}

/// Frees a data set. Documented in `arms.h`.
@_cdecl("arms_dataset_free") @implementation
public func arms_dataset_free(_ dataset: OpaquePointer?) { HandleTable.shared.remove(dataset, .dataset) }

/// Adds samples, all or none. Documented in `arms.h`.
@_cdecl("arms_dataset_add") @implementation
public func arms_dataset_add(
  _ dataset: OpaquePointer?, _ samples: UnsafePointer<arms_sample>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let dataset = try ARMSABI.dataset(dataset, "dataset")
    let given = try HostStructs(samples, count, "samples")
    var converted: [Sample] = []
    for index in 0..<given.count { converted.append(try convert(given[index], "samples[\(index)]")) }
    try dataset.append(converted)
  }
}

/// Counts queries and outcomes. Documented in `arms.h`.
@_cdecl("arms_dataset_count") @implementation
public func arms_dataset_count(
  _ dataset: OpaquePointer?, _ count: UnsafeMutablePointer<Int>?, _ outcomeCount: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let dataset = try ARMSABI.dataset(dataset, "dataset")
    let counts = try dataset.counts
    try required(count, "count").pointee = counts.queries
    outcomeCount?.pointee = counts.outcomes
  }
}

/// Says what memory a data set holds. Documented in `arms.h`.
@_cdecl("arms_dataset_memory") @implementation
public func arms_dataset_memory(
  _ dataset: OpaquePointer?, _ memory: UnsafeMutablePointer<arms_dataset_bytes>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let dataset = try ARMSABI.dataset(dataset, "dataset")
    let held = try dataset.memory
    var result = arms_dataset_bytes()
    result.sample_bytes = UInt64(clamping: held.samples)
    result.cache_bytes = UInt64(clamping: held.features)
    try write(result, to: try required(memory, "memory"), "memory")
  }
}

/// The data set of a handle.
func dataset(_ handle: OpaquePointer?, _ label: String) throws(ARMSError) -> DataSet {
  try object(handle, as: DataSet.self, label)
}

/// A sample of the host, copied.
private func convert(
  _ sample: arms_sample, _ label: @autoclosure () -> String
) throws(ARMSError) -> Sample {
  let question = try string(
    of: try text(sample.text, sample.text_length, "\(label()).text"), "\(label()).text")
  var outcomes: [Outcome] = []
  let given = try HostStructs(
    sample.outcomes, sample.outcome_count, "\(label()).outcomes")
  for index in 0..<given.count {
    outcomes.append(try convert(given[index], "\(label()).outcomes[\(index)]"))
  }
  let images = try HostStructs(
    sample.images, Int(sample.image_count), "\(label()).images")
  var copies: [Sample.Image] = []
  for index in 0..<images.count {
    copies.append(try copy(images[index], "\(label()).images[\(index)]"))
  }
  return Sample(question: question, images: copies, outcomes: outcomes)
}

private func convert(
  _ outcome: arms_outcome, _ label: @autoclosure () -> String
) throws(ARMSError) -> Outcome {
  let known = UInt32(ARMS_OUTCOME_HAS_COST.rawValue)
  guard outcome.flags & ~known == 0 else {
    throw ARMSError(
      .invalidArgument,
      "\(label()).flags is \(outcome.flags); only ARMS_OUTCOME_HAS_COST (\(known)) is known")
  }
  guard outcome.label == 0 || outcome.label == 1 else {
    throw ARMSError(.invalidArgument, "\(label()).label is \(outcome.label); 0 or 1 is wanted")
  }
  return Outcome(
    candidate: try string(outcome.candidate, "\(label()).candidate"), label: Float(outcome.label),
    weight: outcome.weight == 0 ? 1 : outcome.weight,
    cost: outcome.flags & known != 0 ? outcome.cost : nil)
}

private func copy(
  _ image: arms_image_input, _ label: @autoclosure () -> String
) throws(ARMSError) -> Sample.Image {
  let input = try convert(image, label())
  return try naming(label()) { () throws(ARMSError) in try Sample.Image(copying: input) }
}
