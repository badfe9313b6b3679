import ARMS
import Glibc

// Runs the engine's tokeniser for the parity check beside it, tokenizer_parity.py.
//
// Usage: tokenize VOCABULARY TEXTS IDS OPTIONS [ROUNDS]
// Files are little-endian. VOCABULARY and TEXTS: a u32 length and the bytes, over and over. IDS receives for
// each text its u32 count and i32 ids. OPTIONS: capacity,lowercase,strip,clean,cjk,unknown,cls,sep and then
// id:flags of each added token (flags as in the model file). Prints nanoseconds: of loading, and of encoding all texts,
// the best of ROUNDS.

func fail(_ message: String) -> Never {
  let line = "tokenize: \(message)\n"
  _ = write(STDERR_FILENO, line, line.utf8.count)
  exit(1)
}

func read(_ path: String) -> UnsafeRawBufferPointer {
  guard let file = fopen(path, "rb") else { fail("cannot open \(path)") }
  defer { fclose(file) }
  fseek(file, 0, SEEK_END)
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: ftell(file), alignment: 8)
  rewind(file)
  guard fread(memory.baseAddress, 1, memory.count, file) == memory.count else { fail("cannot read \(path)") }
  return UnsafeRawBufferPointer(memory)
}

func strings(_ data: UnsafeRawBufferPointer) -> [UnsafeBufferPointer<UInt8>] {
  var (list, offset): ([UnsafeBufferPointer<UInt8>], Int) = ([], 0)
  while offset < data.count {
    let length = Int(data.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    let bytes = UnsafeRawBufferPointer(rebasing: data[(offset + 4)..<(offset + 4 + length)])
    list.append(bytes.bindMemory(to: UInt8.self))
    offset += 4 + length
  }
  return list
}

func nanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

let arguments = CommandLine.arguments
if arguments.count < 5 { fail("usage: tokenize VOCABULARY TEXTS IDS OPTIONS [ROUNDS]") }
let fields = arguments[4].split(separator: ",").map { $0.split(separator: ":").compactMap { Int32($0) } }
if fields.count < 8 || fields.contains(where: \.isEmpty) { fail("eight numbers are the least options") }
let options = WordPieceOptions(
  lowercase: fields[1][0] != 0, stripAccents: fields[2][0] != 0, cleanText: fields[3][0] != 0,
  splitCJK: fields[4][0] != 0, unknownID: fields[5][0], clsID: fields[6][0], sepID: fields[7][0],
  addedTokens: fields[8...].map {
    AddedToken(
      id: $0[0], normalized: $0[1] & 1 != 0, singleWord: $0[1] & 2 != 0, lstrip: $0[1] & 4 != 0,
      rstrip: $0[1] & 8 != 0)
  })
let vocabulary = strings(read(arguments[1]))
let texts = strings(read(arguments[2]))
let ids = UnsafeMutableBufferPointer<Int32>.allocate(capacity: Int(fields[0][0]))

do throws(ARMSError) {
  let began = nanoseconds()
  let tokenizer = try WordPieceTokenizer(vocabularyCount: vocabulary.count, owner: nil, options: options) {
    vocabulary[$0]
  }
  let loaded = nanoseconds()
  guard let output = fopen(arguments[3], "wb") else { fail("cannot write \(arguments[3])") }
  for text in texts {
    let result = try tokenizer.encode(text, into: ids)
    var count = UInt32(result.count)
    fwrite(&count, 4, 1, output)
    fwrite(ids.baseAddress, 4, result.count, output)
  }
  guard fclose(output) == 0 else { fail("cannot write \(arguments[3])") }
  var best = UInt64.max
  for _ in 0..<(arguments.count > 5 ? Int(arguments[5]) ?? 1 : 1) {
    let start = nanoseconds()
    for text in texts { _ = try tokenizer.encode(text, into: ids) }
    best = min(best, nanoseconds() - start)
  }
  print(loaded - began, best)
} catch {
  fail(error.message)
}
