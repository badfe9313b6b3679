import ARMS
import CARMS
import Glibc

// How structs are read from the host and written to it, whichever header it was compiled against.

/// A struct of the interface that the host gives: begins with `struct_size`, and only grows at its end.
///
/// Of an older program's what it lacks is zero. Of a newer one's what this library does not know must be zero in what
/// is read, and is set to zero, which means "not there", in what is written.
protocol HostStruct {
  /// The size in the first release that had the struct. It stays when fields are added.
  static var firstSize: Int { get }
  init()
}

extension arms_open_options: HostStruct { static var firstSize: Int { 32 } }
extension arms_reload_options: HostStruct { static var firstSize: Int { 8 } }
extension arms_router_info: HostStruct { static var firstSize: Int { 72 } }
extension arms_memory: HostStruct { static var firstSize: Int { 40 } }
extension arms_router_counters: HostStruct { static var firstSize: Int { 3544 } }
extension arms_candidate: HostStruct { static var firstSize: Int { 104 } }
extension arms_candidate_info: HostStruct { static var firstSize: Int { 152 } }
extension arms_image_input: HostStruct { static var firstSize: Int { 48 } }
extension arms_query: HostStruct { static var firstSize: Int { 64 } }
extension arms_route_options: HostStruct { static var firstSize: Int { 72 } }
extension arms_decision: HostStruct { static var firstSize: Int { 400 } }
extension arms_ranked: HostStruct { static var firstSize: Int { 120 } }
extension arms_score_options: HostStruct { static var firstSize: Int { 24 } }
extension arms_outcome: HostStruct { static var firstSize: Int { 32 } }
extension arms_sample: HostStruct { static var firstSize: Int { 48 } }
extension arms_dataset_bytes: HostStruct { static var firstSize: Int { 24 } }
extension arms_extension_options: HostStruct { static var firstSize: Int { 64 } }
extension arms_extension_report: HostStruct { static var firstSize: Int { 72 } }
extension arms_trainer_options: HostStruct { static var firstSize: Int { 136 } }
extension arms_metrics: HostStruct { static var firstSize: Int { 48 } }
extension arms_run_options: HostStruct { static var firstSize: Int { 24 } }
extension arms_tensor_range: HostStruct { static var firstSize: Int { 88 } }

/// A struct of the host, as much of it as both know.
func read<T: HostStruct>(
  _ pointer: UnsafePointer<T>, _ label: @autoclosure () -> String
) throws(ARMSError) -> T {
  let size = try structSize(pointer, label())
  try checkUnknown(of: T.self, at: UnsafeRawPointer(pointer), size: size, label())
  return known(UnsafeRawPointer(pointer), size: size)
}

/// Writes `value` to a struct of the host, all of it but its `struct_size`.
func write<T: HostStruct>(
  _ value: T, to pointer: UnsafeMutablePointer<T>, _ label: @autoclosure () -> String
) throws(ARMSError) {
  let size = try structSize(pointer, label())
  fill(UnsafeMutableRawPointer(pointer), size: size, with: value)
}

/// The `struct_size` that a struct begins with, checked.
@discardableResult
func structSize<T: HostStruct>(
  _ pointer: UnsafePointer<T>, _ label: @autoclosure () -> String
) throws(ARMSError) -> Int {
  let size = Int(UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self))
  guard size >= T.firstSize, size <= 1 << 16 else {
    throw ARMSError(
      .invalidArgument,
      "\(label()).struct_size is \(size); set it to sizeof the struct, \(MemoryLayout<T>.size) by this library's header"
    )
  }
  return size
}

/// The `struct_size` of an array's first element, which is the stride and holds for all.
private func stride<T: HostStruct>(
  of array: UnsafePointer<T>, _ label: @autoclosure () -> String
) throws(ARMSError) -> Int {
  let stride = try structSize(array, "\(label())[0]")
  guard stride % MemoryLayout<T>.alignment == 0 else {
    throw ARMSError(
      .invalidArgument, "\(label())[0].struct_size is \(stride), which no struct of that kind has")
  }
  return stride
}

private func known<T: HostStruct>(_ start: UnsafeRawPointer, size: Int) -> T {
  var value = T()
  withUnsafeMutableBytes(of: &value) { bytes in
    bytes.baseAddress?.copyMemory(from: start, byteCount: min(size, bytes.count))
  }
  return value
}

private func checkUnknown<T: HostStruct>(
  of type: T.Type, at start: UnsafeRawPointer, size: Int, _ label: @autoclosure () -> String
) throws(ARMSError) {
  let known = MemoryLayout<T>.size
  guard size > known else { return }
  guard UnsafeRawBufferPointer(start: start + known, count: size - known).allSatisfy({ $0 == 0 }) else {
    throw ARMSError(
      .unsupported,
      "\(label()) has a field beyond its first \(known) bytes that this library is too old for; leave it zero, or "
        + "load a later one")
  }
}

private func fill<T: HostStruct>(_ target: UnsafeMutableRawPointer, size: Int, with value: T) {
  let first = MemoryLayout<UInt32>.size
  withUnsafeBytes(of: value) { bytes in
    guard let base = bytes.baseAddress else { return }
    let both = min(size, bytes.count)
    (target + first).copyMemory(from: base + first, byteCount: both - first)
    memset(target + both, 0, size - both)
  }
}

/// An array of structs of the host, to be read with the stride that its first element names.
struct HostStructs<T: HostStruct> {
  let count: Int
  private let start: UnsafeRawPointer?
  private let stride: Int

  init(
    _ pointer: UnsafePointer<T>?, _ count: Int, _ label: @autoclosure () -> String
  ) throws(ARMSError) {
    self.count = count
    guard count != 0 else {
      (start, stride) = (nil, 0)
      return
    }
    guard let pointer, isCount(count) else {
      throw ARMSError(
        .invalidArgument, "\(label()) is NULL or its count \(UInt(bitPattern: count)) is wrong")
    }
    let (start, stride) = (UnsafeRawPointer(pointer), try ARMSABI.stride(of: pointer, label()))
    for index in 0..<count {
      try checkUnknown(of: T.self, at: start + index * stride, size: stride, "\(label())[\(index)]")
    }
    (self.start, self.stride) = (start, stride)
  }

  /// An element, as much of it as both know.
  subscript(index: Int) -> T {
    guard let start else { return T() }
    return known(start + index * stride, size: stride)
  }
}

/// An array of structs in the host's memory, to be written with the stride that its first element names.
struct HostArray<T: HostStruct> {
  let capacity: Int
  private let start: UnsafeMutableRawPointer
  private let stride: Int

  init(_ pointer: UnsafeMutablePointer<T>?, _ capacity: Int, _ label: String) throws(ARMSError) {
    guard let pointer else {
      throw ARMSError(
        .invalidArgument, "\(label) is NULL although its capacity is \(UInt(bitPattern: capacity))")
    }
    stride = try ARMSABI.stride(of: UnsafePointer(pointer), label)
    start = UnsafeMutableRawPointer(pointer)
    // One beyond Int.max arrives negative.
    self.capacity = capacity < 0 ? Int.max : capacity
  }

  /// Writes an element and its `struct_size`.
  func write(_ value: T, at index: Int) {
    let element = start + index * stride
    fill(element, size: stride, with: value)
    element.storeBytes(of: UInt32(truncatingIfNeeded: stride), as: UInt32.self)
  }
}

/// Copies structs to the host's array, with the stride that its first element names, or only says how many there are.
func deliver<T: HostStruct>(
  structs values: some Collection<T>, to array: UnsafeMutablePointer<T>?, capacity: Int,
  count: UnsafeMutablePointer<Int>, _ label: String
) throws(ARMSError) {
  // An array without room has no first element to name a stride.
  if try hasRoom(array, capacity, for: values.count, to: count, label), capacity != 0 {
    let out = try HostArray(array, capacity, label)
    for (index, value) in values.enumerated() { out.write(value, at: index) }
  }
  count.pointee = values.count
}
