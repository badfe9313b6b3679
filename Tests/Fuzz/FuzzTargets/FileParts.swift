import Glibc

/// A GGUF file taken apart: what an input changes in it stays behind the lengths and counts that belong to it, so that
/// the change reaches the reader's later checks.
struct FileParts {
  /// Magic, version and the two counts.
  private var head: [UInt8]
  /// Each with its name, its type and its value.
  private var keys: [Entry] = []
  /// Each with its name, its sizes, its type and its place.
  private var tensors: [Entry] = []
  private var data: [UInt8]
  private var length = Int.max
  private let soundShapes: [[UInt8]]

  private struct Entry {
    var name: [UInt8]
    var content: [UInt8]

    /// Of a tensor: its sizes and its type, without its place.
    var shape: [UInt8] { content.dropLast(8) }
  }

  /// Takes apart the sound file at `path`.
  init(path: String) {
    guard let file = fopen(path, "rb") else { fatalError("\(path) cannot be opened") }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    var bytes = [UInt8](repeating: 0, count: ftell(file))
    rewind(file)
    guard fread(&bytes, 1, bytes.count, file) == bytes.count else { fatalError("\(path) cannot be read") }
    var place = 24
    func take(_ count: Int) -> [UInt8] {
      defer { place += count }
      return Array(bytes[place..<place + count])
    }
    func number(_ bytes: some Sequence<UInt8>) -> Int { bytes.reversed().reduce(0) { $0 << 8 | Int($1) } }
    func string() -> [UInt8] {
      let length = take(8)
      return length + take(number(length))
    }
    func value(_ type: Int) -> [UInt8] {
      switch type {
      case 8: return string()
      case 9:
        let start = take(12)
        return (0..<number(start[4...])).reduce(start) { all, _ in all + value(number(start[..<4])) }
      default: return take([1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][type])
      }
    }
    head = Array(bytes[..<24])
    data = []
    for _ in 0..<number(head[16...]) {
      let (name, type) = (string(), take(4))
      keys.append(Entry(name: name, content: type + value(number(type))))
    }
    for _ in 0..<number(head[8..<16]) {
      let (name, rank) = (string(), take(4))
      tensors.append(Entry(name: name, content: rank + take(8 * number(rank) + 12)))
    }
    data = Array(bytes[((place + 63) / 64 * 64)...])
    soundShapes = tensors.map(\.shape)
  }

  /// Whether a tensor has another shape or type than in the sound file.
  var isReshaped: Bool { tensors.map(\.shape) != soundShapes }

  /// Makes one change that `source` draws.
  mutating func change(_ source: ByteSource) {
    switch source.below(9) {
    case 0: keys[source.below(keys.count)].content = number(12, source) + source.take(source.below(64))
    case 1:
      let (key, size) = (source.below(keys.count), source.next(UInt64.self))
      let claimed = source.once(in: 2) ? size : size % 16
      keys[key].content =
        number(9, source) + number(12, source) + littleEndian(claimed) + source.take(source.below(256))
    case 2: overwrite(&keys[source.below(keys.count)].content, source)
    case 3: overwrite(&tensors[source.below(tensors.count)].content, source)
    case 4: overwrite(&keys[source.below(keys.count)].name, source)
    case 5: overwrite(&head, source)
    case 6:
      keys.append(keys[source.below(keys.count)])
      head[16] &+= 1
    case 7:
      let place = (source.below(data.count / 4) + source.below(4) * (data.count / 16)) * 4
      let value = source.next(UInt32.self)
      for byte in 0..<4 where place + byte < data.count {
        data[place + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte))
      }
    default: length = source.once(in: 2) ? source.below(4_096) : source.below(1 << 15) * 64
    }
  }

  /// The file.
  func assembled() -> [UInt8] {
    var file = head
    // The counts are true unless they were changed.
    for entry in keys + tensors { file += entry.name + entry.content }
    file += [UInt8](repeating: 0, count: (64 - file.count % 64) % 64)
    file += data
    return Array(file.prefix(length))
  }

  /// A type, mostly `usual`.
  private func number(_ usual: UInt32, _ source: ByteSource) -> [UInt8] {
    littleEndian(source.once(in: 2) ? UInt32(source.next(UInt8.self)) : usual)
  }

  private func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  private func overwrite(_ bytes: inout [UInt8], _ source: ByteSource) {
    let place = source.below(bytes.count)
    for (offset, byte) in source.take(1 + source.below(12)).enumerated() where place + offset < bytes.count {
      bytes[place + offset] = byte
    }
  }
}
