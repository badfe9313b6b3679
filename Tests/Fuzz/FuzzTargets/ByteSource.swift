import Glibc

/// Draws values from the bytes of an input; zeros after its end.
///
/// What is lent to the library lies in blocks of exactly its size, so that a checker of memory sees a step
/// beyond. They live as long as the source.
final class ByteSource {
  private var rest: Slice<UnsafeRawBufferPointer>
  private var blocks: [UnsafeMutableRawPointer] = []

  init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

  deinit { for block in blocks { free(block) } }

  var isEmpty: Bool { rest.isEmpty }

  /// The next value of a type without invalid bit patterns.
  func next<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T {
    var value = T.zero
    withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: rest.prefix($0.count)) }
    rest = rest.dropFirst(MemoryLayout<T>.size)
    return value
  }

  /// True once in `n` times.
  func once(in n: UInt8) -> Bool { next(UInt8.self) % n == 0 }

  /// A value below `limit`.
  func below(_ limit: Int) -> Int { limit > 0 ? Int(next(UInt16.self)) % limit : 0 }

  func choose<T>(_ values: [T]) -> T { values[below(values.count)] }

  func float() -> Float { Float(bitPattern: next()) }

  func double() -> Double { once(in: 2) ? Double(float()) : Double(bitPattern: next()) }

  /// At most `count` of the bytes that are left.
  func take(_ count: Int) -> UnsafeRawBufferPointer {
    let taken = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
    rest = rest.dropFirst(count)
    return taken
  }

  /// All bytes that are left.
  func takeAll() -> UnsafeRawBufferPointer { take(rest.count) }

  /// A block of zeros.
  func block(_ byteCount: Int) -> UnsafeMutableRawPointer {
    guard let block = calloc(max(byteCount, 1), 1) else { fatalError("no memory for the fuzz target itself") }
    blocks.append(block)
    return block
  }

  /// A C string of some of the bytes, or NULL.
  func string() -> UnsafePointer<CChar>? {
    let length = Int(next(UInt8.self))
    if length == 255 { return nil }
    let bytes = take(length)
    let copy = block(bytes.count + 1)
    copy.copyMemory(from: bytes)
    return UnsafePointer(copy.assumingMemoryBound(to: CChar.self))
  }
}

extension UnsafeMutableRawPointer {
  /// Copies the bytes of a buffer, which may be empty.
  func copyMemory(from bytes: UnsafeRawBufferPointer) {
    if let base = bytes.baseAddress { copyMemory(from: base, byteCount: bytes.count) }
  }
}
