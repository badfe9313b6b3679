import ARMS
public import CARMS

// What a host needs to train over several processes.

/// Computes the gradients of a share of a batch. Documented in `arms.h`.
@_cdecl("arms_trainer_compute_gradients") @implementation
public func arms_trainer_compute_gradients(
  _ trainer: OpaquePointer?, _ dataset: OpaquePointer?, _ queries: UnsafePointer<Int>?, _ count: Int,
  _ loss: UnsafeMutablePointer<Double>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let host = try ARMSABI.trainer(trainer)
    let dataset = try ARMSABI.dataset(dataset, "dataset")
    guard let queries, (1...Int(Int32.max)).contains(count) else {
      throw ARMSError(
        .invalidArgument,
        "queries is NULL or its count \(UInt(bitPattern: count)) is wrong; one at least is wanted")
    }
    let places = Array(UnsafeBufferPointer(start: queries, count: count))
    let mean = try host.use { (trainer) throws(ARMSError) in
      try trainer.computeGradients(dataset, at: places)
    }
    loss?.pointee = mean
  }
}

/// Makes a step with the present gradients. Documented in `arms.h`.
@_cdecl("arms_trainer_apply_gradients") @implementation
public func arms_trainer_apply_gradients(
  _ trainer: OpaquePointer?, _ learningRate: Double, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    try ARMSABI.trainer(trainer).use { (trainer) throws(ARMSError) in
      try trainer.applyGradients(rate: learningRate)
    }
  }
}

/// The buffer of the trained weights. Documented in `arms.h`.
@_cdecl("arms_trainer_parameters") @implementation
public func arms_trainer_parameters(
  _ trainer: OpaquePointer?, _ values: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>?,
  _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    try hand(try ARMSABI.trainer(trainer).parameters, to: values, count)
  }
}

/// The buffer of their gradients. Documented in `arms.h`.
@_cdecl("arms_trainer_gradients") @implementation
public func arms_trainer_gradients(
  _ trainer: OpaquePointer?, _ values: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>?,
  _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    try hand(try ARMSABI.trainer(trainer).gradients, to: values, count)
  }
}

/// Lists the trained tensors. Documented in `arms.h`.
@_cdecl("arms_trainer_layout") @implementation
public func arms_trainer_layout(
  _ trainer: OpaquePointer?, _ ranges: UnsafeMutablePointer<arms_tensor_range>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let layout = try ARMSABI.trainer(trainer).layout
    try deliver(
      structs: layout.map(convert), to: ranges, capacity: capacity, count: try required(count, "count"),
      "ranges")
  }
}

private func hand(
  _ buffer: UnsafeMutableBufferPointer<Float>, to values: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>?,
  _ count: UnsafeMutablePointer<Int>?
) throws(ARMSError) {
  let (values, count) = (try required(values, "values"), try required(count, "count"))
  values.pointee = buffer.baseAddress
  count.pointee = buffer.count
}

private func convert(_ tensor: (name: String, range: Range<Int>)) -> arms_tensor_range {
  var result = arms_tensor_range()
  result.offset = UInt64(clamping: tensor.range.lowerBound)
  result.count = UInt64(clamping: tensor.range.count)
  write(tensor.name, to: &result.name)
  return result
}
