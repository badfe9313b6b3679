import ARMS

/// The input is options, a vocabulary, one token a line, and a text. How a model file holds one is read by the target of
/// model files.
func fuzzTokenizer(_ bytes: UnsafeRawBufferPointer) {
  let source = ByteSource(bytes)
  let flags = source.next(UInt8.self)
  let limit = source.once(in: 4) ? Int(source.next(Int16.self)) : 100
  let capacity = source.below(64)
  let lines = source.take(source.below(4_096)).split(separator: 10)
  var options = WordPieceOptions(
    lowercase: flags & 1 == 0, stripAccents: flags & 2 == 0, cleanText: flags & 4 == 0,
    splitCJK: flags & 8 == 0, maxWordLength: limit, subwordPrefix: flags & 16 == 0 ? "##" : "",
    unknownID: 1, clsID: 2, sepID: 3)
  if flags & 32 != 0 { options.unknownID = source.next() }
  for _ in 0..<source.below(4) {
    let kind = source.next(UInt8.self)
    options.addedTokens.append(
      AddedToken(
        id: source.once(in: 8) ? source.next() : Int32(source.next(UInt8.self)), normalized: kind & 1 != 0,
        singleWord: kind & 2 != 0, lstrip: kind & 4 != 0, rstrip: kind & 8 != 0))
  }
  let tokenizer = try? WordPieceTokenizer(vocabularyCount: lines.count, owner: nil, options: options) {
    UnsafeRawBufferPointer(rebasing: lines[$0]).assumingMemoryBound(to: UInt8.self)
  }
  let text = source.takeAll()
  guard let tokenizer else { return }
  check(tokenizer, text.assumingMemoryBound(to: UInt8.self), capacity)
}

/// A short list of ids must be the beginning of a long one.
private func check(_ tokenizer: WordPieceTokenizer, _ text: UnsafeBufferPointer<UInt8>, _ capacity: Int) {
  let short = UnsafeMutableBufferPointer<Int32>.allocate(capacity: capacity)
  let long = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 2 * text.count + 64)
  defer {
    short.deallocate()
    long.deallocate()
  }
  short.initialize(repeating: -1)
  long.initialize(repeating: -1)
  guard let few = try? tokenizer.encode(text, into: short), let all = try? tokenizer.encode(text, into: long)
  else { return }
  require(few.total == all.total, "\(few.total) and \(all.total) tokens of one text")
  require(few.count == min(capacity, few.total), "\(few.count) of \(few.total) tokens in \(capacity) places")
  require(short[..<(few.count - 1)].elementsEqual(long[..<(few.count - 1)]), "truncation changes tokens")
  require(short[..<few.count].allSatisfy { $0 >= 0 }, "an id is negative")
}
