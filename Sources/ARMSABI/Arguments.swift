import ARMS
import CARMS

// What every export does with what crosses the boundary: check it, name it in the error, convert it.

/// The object of a handle. `label` is the parameter's name.
func object<T: HandleObject>(
  _ handle: OpaquePointer?, as type: T.Type, _ label: @autoclosure () -> String
) throws(ARMSError) -> T {
  guard handle != nil else { throw ARMSError(.invalidHandle, "\(label()) is NULL; a handle is wanted") }
  guard let object = HandleTable.shared.find(handle, as: type) else {
    throw ARMSError(
      .invalidHandle,
      "\(label()) is no handle of an open \(T.kind): it was freed, is of another type, or never existed")
  }
  return object
}

/// The router of a handle.
func router(_ handle: OpaquePointer?, _ label: String = "router") throws(ARMSError) -> Router {
  try object(handle, as: Router.self, label)
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
  String(decoding: try name(pointer, label()), as: UTF8.self)
}

/// Bytes of at most this number are copied into a string, which ends the process where there is no memory for it.
private let stringLimit = 1 << 20

/// A copy of a text, which must be UTF-8.
func string(
  of bytes: UnsafeBufferPointer<UInt8>, _ label: @autoclosure () -> String
) throws(ARMSError) -> String {
  try checkLength(bytes, label())
  guard let string = String(validating: bytes, as: UTF8.self) else { throw invalidText(bytes, label()) }
  return string
}

private func checkLength(
  _ bytes: UnsafeBufferPointer<UInt8>, _ label: @autoclosure () -> String
) throws(ARMSError) {
  guard bytes.count <= stringLimit else {
    throw ARMSError(.limitExceeded, "\(label()) has \(bytes.count) bytes; at most \(stringLimit) are taken")
  }
}

/// A C string that may be NULL.
func optionalString(
  _ pointer: UnsafePointer<CChar>?, _ label: @autoclosure () -> String
) throws(ARMSError) -> String? {
  pointer == nil ? nil : try string(pointer, label())
}

/// Whether an array can have so many elements: a garbage count is told before memory is taken for it. One
/// beyond `Int.max` arrives negative.
func isCount(_ count: Int) -> Bool { (0...Int(Int32.max)).contains(count) }

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
  try checkLength(bytes, label())
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
