import CARMS
import Glibc

/// Draws the arguments of calls: every pointer right or NULL, every handle right, freed, of another kind or invented,
/// every number any.
struct HostArguments {
  let source: ByteSource
  /// What was given out, NULL first.
  var handles: [OpaquePointer?] = [nil]

  init(_ source: ByteSource) { self.source = source }

  /// A handle that was given out, perhaps of another kind or freed since, or any number.
  func handle() -> OpaquePointer? {
    source.once(in: 8)
      ? OpaquePointer(bitPattern: source.next(UInt.self)) : handles[source.below(handles.count)]
  }

  /// Mostly a router.
  func router() -> OpaquePointer? {
    source.once(in: 4) ? handle() : Host.routers[source.below(Host.routers.count)]
  }

  /// `count` structs in exactly the memory that the size which they claim takes, filled with drawn bytes; or NULL.
  func structs<T: BitwiseCopyable>(
    _ type: T.Type, count: Int = 1, filled: Bool = true,
    _ change: (UnsafeMutablePointer<T>) -> Void = { _ in }
  ) -> UnsafeMutablePointer<T>? {
    if source.once(in: 16) { return nil }
    let sound = MemoryLayout<T>.size
    let size = source.once(in: 8) ? source.choose([0, 1, 4, sound - 8, sound + 8, 65_536, 65_537]) : sound
    let start = source.block(count * max(size, sound))
    for index in 0..<count {
      let element = start + index * size
      if size < sound && index > 0 { break }
      if filled { element.copyMemory(from: source.take(min(size, sound))) }
      let typed = element.assumingMemoryBound(to: T.self)
      change(typed)
      element.storeBytes(of: UInt32(size), as: UInt32.self)
    }
    return start.assumingMemoryBound(to: T.self)
  }

  /// Names, or NULL, and how many.
  func names() -> (UnsafePointer<UnsafePointer<CChar>?>?, Int) {
    if source.once(in: 8) { return (nil, Int(source.next(Int64.self))) }
    let count = source.below(4)
    let list = source.block(8 * count).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
    for index in 0..<count { list[index] = name() }
    return (UnsafePointer(list), count)
  }

  /// A name, often one of a candidate that is there.
  func name() -> UnsafePointer<CChar>? {
    guard source.once(in: 2) else { return source.string() }
    let known = source.choose(["small", "medium", "large", "new", ""])
    let copy = source.block(known.utf8.count + 1)
    known.utf8CString.withUnsafeBytes { copy.copyMemory(from: $0) }
    return UnsafePointer(copy.assumingMemoryBound(to: CChar.self))
  }

  /// A buffer of `count` values and its capacity, or NULL and any capacity.
  func buffer<T>(_ type: T.Type) -> (UnsafeMutablePointer<T>?, Int) {
    if source.once(in: 8) { return (nil, Int(source.next(Int32.self))) }
    let count = source.once(in: 2) ? 4_096 : source.below(64)
    return (source.block(count * MemoryLayout<T>.stride).assumingMemoryBound(to: T.self), count)
  }

  /// Where a count is written, or NULL.
  func counter() -> UnsafeMutablePointer<Int>? {
    source.once(in: 16) ? nil : source.block(8).assumingMemoryBound(to: Int.self)
  }

  func text() -> (UnsafePointer<CChar>?, Int) {
    let text = source.string()
    return (text, source.once(in: 8) || text == nil ? -1 : text.map { string in length(string) } ?? 0)
  }

  func length(_ string: UnsafePointer<CChar>) -> Int {
    source.below(strlen(string) + 1)
  }

  func image(_ image: UnsafeMutablePointer<arms_image_input>) {
    let bytes = source.take(source.below(2_048))
    let copy = source.block(bytes.count)
    copy.copyMemory(from: bytes)
    image.pointee.data = source.once(in: 16) ? nil : UnsafeRawPointer(copy)
    image.pointee.size = bytes.count
    if source.once(in: 2) { image.pointee.stride = 0 }
    if source.once(in: 2) {
      image.pointee.flags &= 1
      image.pointee.reserved = 0
      image.pointee.format %= 6
      image.pointee.width %= 64
      image.pointee.height %= 64
    }
  }

  func query(_ query: UnsafeMutablePointer<arms_query>) {
    let ways = source.next(UInt8.self)
    (query.pointee.text, query.pointee.text_length) = ways & 1 == 0 ? text() : (nil, 0)
    query.pointee.tokens = nil
    query.pointee.token_count = 0
    if ways & 2 != 0 {
      let count = source.below(40)
      let tokens = source.block(4 * count).assumingMemoryBound(to: Int32.self)
      for index in 0..<count { tokens[index] = source.once(in: 8) ? source.next() : Int32(source.below(137)) }
      (query.pointee.tokens, query.pointee.token_count) = (UnsafePointer(tokens), count)
    }
    query.pointee.question = ways & 4 != 0 ? handle() : nil
    let count = source.once(in: 2) ? 0 : source.below(4)
    query.pointee.image_count = UInt32(count)
    query.pointee.images = nil
    query.pointee.encoded_images = nil
    if ways & 8 != 0 {
      query.pointee.images = UnsafePointer(structs(arms_image_input.self, count: count, image))
    }
    if ways & 16 != 0 {
      let list = source.block(8 * count).assumingMemoryBound(to: OpaquePointer?.self)
      for index in 0..<count { list[index] = handle() }
      query.pointee.encoded_images = UnsafePointer(list)
    }
  }
}
