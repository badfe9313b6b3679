import Glibc

/// What the kernel counts as this process's memory, in bytes.
struct Memory {
  /// All pages in memory.
  let resident: Int
  /// Pages of its own.
  let anonymous: Int
  /// Every page divided by the processes that share it.
  let proportional: Int

  /// The memory of this process now.
  static func now() -> Memory {
    let rollup = fields("/proc/self/smaps_rollup")
    return Memory(
      resident: rollup["Rss"] ?? 0, anonymous: rollup["Anonymous"] ?? 0, proportional: rollup["Pss"] ?? 0)
  }

  /// The fields of a file of lines such as "Rss: 12 kB", in bytes.
  private static func fields(_ path: String) -> [String: Int] {
    guard let file = fopen(path, "r") else { return [:] }
    defer { fclose(file) }
    var fields: [String: Int] = [:]
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let words = text.split { $0 == ":" || $0 == " " || $0 == "\n" }
      if words.count == 3, let kilobytes = Int(words[1]) { fields[String(words[0])] = kilobytes << 10 }
    }
    return fields
  }
}
