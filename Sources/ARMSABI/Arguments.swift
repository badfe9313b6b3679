import ARMS
import CARMS

// What every export does with what crosses the boundary: check it, name it in the error, convert it.

/// The object of a handle. `label` is the parameter's name.
func object<T: AnyObject>(
  _ handle: OpaquePointer?, _ kind: HandleKind, as type: T.Type, _ label: @autoclosure () -> String
) throws(ARMSError) -> T {
  guard handle != nil else { throw ARMSError(.invalidHandle, "\(label()) is NULL; a handle is wanted") }
  guard let object = HandleTable.shared.find(handle, kind, as: type) else {
    throw ARMSError(
      .invalidHandle,
      "\(label()) is no handle of an open \(kind): it was freed, is of another type, or never existed")
  }
  return object
}

/// The router of a handle.
func router(_ handle: OpaquePointer?, _ label: String = "router") throws(ARMSError) -> Router {
  try object(handle, .router, as: Router.self, label)
}

/// A pointer that must not be NULL.
func required<T>(_ pointer: UnsafeMutablePointer<T>?, _ label: String) throws(ARMSError)
  -> UnsafeMutablePointer<T>
{
  guard let pointer else { throw ARMSError(.invalidArgument, "\(label) is NULL; a pointer is wanted") }
  return pointer
}

/// A C string that must not be NULL and must be UTF-8.
func string(_ pointer: UnsafePointer<CChar>?, _ label: @autoclosure () -> String) throws(ARMSError) -> String
{
  guard let pointer else { throw ARMSError(.invalidArgument, "\(label()) is NULL; a string is wanted") }
  guard let string = String(validatingCString: pointer) else {
    throw invalidText(try text(pointer, -1, label()), label())
  }
  return string
}

/// A C string that may be NULL.
func optionalString(
  _ pointer: UnsafePointer<CChar>?, _ label: @autoclosure () -> String
) throws(ARMSError) -> String? {
  pointer == nil ? nil : try string(pointer, label())
}

/// Whether an array can have so many elements: a garbage count is told before memory is taken for it. One
/// beyond `Int.max` arrives negative.
private func isCount(_ count: Int) -> Bool { (0...Int(Int32.max)).contains(count) }

/// The strings of an array.
func strings(
  _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ label: String
) throws(ARMSError) -> [String] {
  if count == 0 { return [] }
  guard let names, isCount(count) else {
    throw ARMSError(.invalidArgument, "\(label) is NULL or its count \(UInt(bitPattern: count)) is wrong")
  }
  var result: [String] = []
  for index in 0..<count { result.append(try string(names[index], "\(label)[\(index)]")) }
  return result
}

/// The bytes of the strings of an array: views in scratch memory, checked as ``strings(_:_:_:)`` does.
func names(
  _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ label: String, in arena: ScratchArena
) throws(ARMSError) -> UnsafeBufferPointer<NameBytes> {
  if count == 0 { return UnsafeBufferPointer(start: nil, count: 0) }
  guard let names, isCount(count) else {
    throw ARMSError(.invalidArgument, "\(label) is NULL or its count \(UInt(bitPattern: count)) is wrong")
  }
  // All are checked before memory is taken for so many.
  for index in 0..<count { _ = try name(names[index], "\(label)[\(index)]") }
  let result = try arena.allocate(NameBytes.self, count)
  for index in 0..<count { result[index] = try name(names[index], "\(label)[\(index)]") }
  return UnsafeBufferPointer(start: result, count: count)
}

/// The bytes of a C string that must not be NULL and must be UTF-8.
private func name(
  _ pointer: UnsafePointer<CChar>?, _ label: @autoclosure () -> String
) throws(ARMSError) -> NameBytes {
  guard let pointer else { throw ARMSError(.invalidArgument, "\(label()) is NULL; a string is wanted") }
  let bytes = try text(pointer, -1, label())
  guard UTF8Text.firstInvalidOffset(bytes) == nil else { throw invalidText(bytes, label()) }
  return bytes
}

private func invalidText(_ bytes: UnsafeBufferPointer<UInt8>, _ label: String) -> ARMSError {
  let offset = UTF8Text.firstInvalidOffset(bytes) ?? 0
  return ARMSError(.invalidText, "\(label) is not UTF-8 at byte offset \(offset); encode it as UTF-8")
}

/// Bytes of a text given by pointer and length; `ARMS_NUL_TERMINATED` means "up to the NUL".
func text(
  _ pointer: UnsafePointer<CChar>?, _ length: Int, _ label: @autoclosure () -> String
) throws(ARMSError) -> UnsafeBufferPointer<UInt8> {
  guard let pointer else {
    throw ARMSError(.invalidArgument, "\(label()) is NULL; a text is wanted, which may be empty")
  }
  let bytes = UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self)
  return UnsafeBufferPointer(start: bytes, count: try bytesOf(pointer, length, label()))
}

private func bytesOf(
  _ pointer: UnsafePointer<CChar>, _ length: Int, _ label: @autoclosure () -> String
) throws(ARMSError) -> Int {
  // SIZE_MAX arrives as -1.
  if length == -1 {
    var count = 0
    while pointer[count] != 0 { count += 1 }
    return count
  }
  guard length >= 0 else {
    throw ARMSError(.invalidArgument, "the length of \(label()) is more than half the address space")
  }
  return length
}

/// A field of the host's struct that means nothing yet. What stands there would mean something to a later release.
func unused(_ reserved: UInt32, _ label: @autoclosure () -> String) throws(ARMSError) {
  guard reserved == 0 else {
    throw ARMSError(
      .invalidArgument, "\(label()).reserved is \(reserved); 0 is wanted, set the whole struct to zeros")
  }
}

/// A struct of the host, which may have been compiled against an older header: what it lacks is zero.
///
/// `minimum` is the size that the struct had in the first release. As long as it has not grown since, there is no older
/// header, and what is smaller is a mistake; whoever adds a field names the size before, here and where arrays of the
/// struct are read or written.
func read<T: BitwiseCopyable>(
  _ pointer: UnsafePointer<T>, empty: T, minimum: Int = MemoryLayout<T>.size,
  _ label: @autoclosure () -> String
) throws(ARMSError) -> T {
  let size = try structSize(UnsafeRawPointer(pointer), minimum: minimum, label())
  var value = empty
  withUnsafeMutableBytes(of: &value) { bytes in
    bytes.baseAddress?.copyMemory(from: pointer, byteCount: min(size, bytes.count))
  }
  return value
}

/// Writes `value` to a struct of the host, as much of it as the host knows; its `struct_size` stays.
func write<T: BitwiseCopyable>(
  _ value: T, to pointer: UnsafeMutablePointer<T>, minimum: Int = MemoryLayout<T>.size,
  _ label: @autoclosure () -> String
) throws(ARMSError) {
  let size = try structSize(UnsafeRawPointer(pointer), minimum: minimum, label())
  withUnsafeBytes(of: value) { bytes in
    guard let base = bytes.baseAddress else { return }
    let offset = MemoryLayout<UInt32>.size
    (UnsafeMutableRawPointer(pointer) + offset).copyMemory(
      from: base + offset, byteCount: min(size, bytes.count) - offset)
  }
}

/// The `struct_size` that a struct begins with, checked.
func structSize(
  _ pointer: UnsafeRawPointer, minimum: Int, _ label: @autoclosure () -> String
) throws(ARMSError) -> Int {
  let size = Int(pointer.loadUnaligned(as: UInt32.self))
  guard size >= minimum, size <= 1 << 16 else {
    throw ARMSError(
      .invalidArgument,
      "\(label()).struct_size is \(size); set it to sizeof the struct, \(minimum) or more")
  }
  return size
}

/// The `struct_size` of an array's first element, which is the stride and holds for all.
private func stride<T>(
  of array: UnsafePointer<T>, minimum: Int, _ label: @autoclosure () -> String
) throws(ARMSError) -> Int {
  let stride = try structSize(array, minimum: minimum, "\(label())[0]")
  guard stride % MemoryLayout<T>.alignment == 0 else {
    throw ARMSError(
      .invalidArgument, "\(label())[0].struct_size is \(stride), which no struct of that kind has")
  }
  return stride
}

/// An array of structs of the host, to be read with the stride that its first element names; `minimum` as in
/// ``read(_:empty:minimum:_:)``.
struct HostStructs<T: BitwiseCopyable> {
  let count: Int
  private let start: UnsafeRawPointer?
  private let stride: Int
  private let empty: T

  init(
    _ pointer: UnsafePointer<T>?, _ count: Int, empty: T, minimum: Int = MemoryLayout<T>.size,
    _ label: @autoclosure () -> String
  ) throws(ARMSError) {
    self.count = count
    self.empty = empty
    guard count != 0 else {
      (start, stride) = (nil, 0)
      return
    }
    guard let pointer, isCount(count) else {
      throw ARMSError(
        .invalidArgument, "\(label()) is NULL or its count \(UInt(bitPattern: count)) is wrong")
    }
    stride = try ARMSABI.stride(of: pointer, minimum: minimum, label())
    start = UnsafeRawPointer(pointer)
  }

  /// An element, as much of it as the host knows.
  subscript(index: Int) -> T {
    var value = empty
    withUnsafeMutableBytes(of: &value) { bytes in
      guard let target = bytes.baseAddress, let start else { return }
      target.copyMemory(from: start + index * stride, byteCount: min(stride, bytes.count))
    }
    return value
  }
}

/// An array of structs in the host's memory, to be written with the stride that its first element names; `minimum` as
/// in ``read(_:empty:minimum:_:)``.
struct HostArray<T: BitwiseCopyable> {
  let capacity: Int
  private let start: UnsafeMutableRawPointer
  private let stride: Int

  init(
    _ pointer: UnsafeMutablePointer<T>?, _ capacity: Int, minimum: Int = MemoryLayout<T>.size, _ label: String
  ) throws(ARMSError) {
    guard let pointer, capacity > 0 else {
      throw ARMSError(
        .invalidArgument, "\(label) is NULL or its capacity \(UInt(bitPattern: capacity)) is wrong")
    }
    stride = try ARMSABI.stride(of: UnsafePointer(pointer), minimum: minimum, label)
    start = UnsafeMutableRawPointer(pointer)
    self.capacity = capacity
  }

  /// Writes an element, as much of it as the host knows, and its `struct_size`.
  func write(_ value: T, at index: Int) {
    let element = start + index * stride
    withUnsafeBytes(of: value) { bytes in
      if let base = bytes.baseAddress { element.copyMemory(from: base, byteCount: min(stride, bytes.count)) }
    }
    element.storeBytes(of: UInt32(truncatingIfNeeded: stride), as: UInt32.self)
  }
}

/// Whether `buffer` is to be filled with `needed` values; false if the caller only asks for their number.
///
/// Throws `bufferTooSmall` if there is not the room, and only then writes to `count`: `number`, or `needed` if it is nil.
func hasRoom<T>(
  _ buffer: UnsafeMutablePointer<T>?, _ capacity: Int, for needed: Int, reporting number: Int? = nil,
  to count: UnsafeMutablePointer<Int>, _ label: String
) throws(ARMSError) -> Bool {
  guard buffer != nil || capacity == 0 else {
    throw ARMSError(
      .invalidArgument, "\(label) is NULL although its capacity is \(UInt(bitPattern: capacity))")
  }
  if buffer == nil { return false }
  // A capacity beyond Int.max arrives negative.
  guard capacity >= needed || capacity < 0 else {
    count.pointee = number ?? needed
    throw ARMSError(.bufferTooSmall, "\(label) has room for \(capacity); \(needed) are needed")
  }
  return true
}

/// Copies values to the host's buffer, or only says how many there are.
func deliver<T: BitwiseCopyable>(
  _ values: [T], to buffer: UnsafeMutablePointer<T>?, capacity: Int, count: UnsafeMutablePointer<Int>,
  _ label: String
) throws(ARMSError) {
  if try hasRoom(buffer, capacity, for: values.count, to: count, label), let buffer {
    for (index, value) in values.enumerated() { buffer[index] = value }
  }
  count.pointee = values.count
}

/// Copies structs to the host's array, with the stride that its first element names, or only says how many there are.
func deliver<T: BitwiseCopyable>(
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

/// Writes a string and its NUL into a fixed array of chars, cut at a character's border if it is too long.
func write<Field>(_ string: String, to field: inout Field) {
  var string = string
  string.withUTF8 { units in
    withUnsafeMutableBytes(of: &field) { bytes in
      for index in bytes.indices { bytes[index] = 0 }
      var end = min(units.count, bytes.count - 1)
      while end > 0, end < units.count, units[end] & 0xC0 == 0x80 { end -= 1 }
      for index in 0..<end { bytes[index] = units[index] }
    }
  }
}
