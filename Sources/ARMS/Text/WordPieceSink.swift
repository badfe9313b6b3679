/// Gathers the words of normalised text and writes the token ids of each: WordPiece, which takes the longest
/// token that the rest of a word begins with, or the unknown token for the whole word if there is none.
///
/// Reference: Wu et al., "Google's Neural Machine Translation System", arXiv:1609.08144, section 4.1.
struct WordPieceSink: NormalizedTextSink {
  /// What words are looked up in, the same for every text.
  struct Model {
    let lookup: TokenTable.Lookup
    /// The vocabulary's mark of a token that continues a word. It lives as long as the tokenizer.
    let prefix: UnsafeBufferPointer<UInt8>
    let unknownID: Int32
    let maxWordLength: Int
    /// The most bytes of a token at the start of a word, and of one that continues it without its mark.
    let longestStart: Int
    let longestSubword: Int
  }

  private let model: Model
  private let ids: UnsafeMutableBufferPointer<Int32>
  /// The word so far: at most `maxWordLength` scalars of 4 bytes.
  private let word: UnsafeMutablePointer<UInt8>
  private var length = 0
  private var scalarCount = 0
  /// How many ids there are, also those that did not fit.
  private(set) var total = 0
  /// Whether memory for normalised text was refused, without which the ids are not those of the text.
  var isExhausted = false

  /// Makes a sink that writes to `ids`, with `word` as its scratch of `4 * maxWordLength` bytes.
  init(model: Model, ids: UnsafeMutableBufferPointer<Int32>, word: UnsafeMutablePointer<UInt8>) {
    self.model = model
    self.ids = ids
    self.word = word
  }

  /// Writes one id.
  @inline(__always)
  mutating func emit(_ id: Int32) {
    if total < ids.count { ids[total] = id }
    total &+= 1
  }

  @inline(__always)
  mutating func appendWordBytes(
    _ text: UnsafePointer<UInt8>, _ count: Int, _ table: UnsafePointer<UInt16>
  ) -> Int {
    let room = min(count, model.maxWordLength &- min(scalarCount, model.maxWordLength))
    let end = word + length
    var taken = 0
    while taken < room {
      let entry = table[Int(text[taken])]
      if entry >= BERTNormalizer.dropped { break }
      end[taken] = UInt8(truncatingIfNeeded: entry)
      taken &+= 1
    }
    length &+= taken
    if taken == room {
      // The word is too long to be anything but unknown: its scalars are only counted.
      while taken < count, table[Int(text[taken])] < BERTNormalizer.dropped { taken &+= 1 }
    }
    scalarCount &+= taken
    return taken
  }

  mutating func appendWord(_ scalar: UInt32) {
    if scalarCount < model.maxWordLength { length &+= UTF8Text.encode(scalar, to: word + length) }
    scalarCount &+= 1
  }

  mutating func appendPunctuation(_ scalar: UInt32) {
    endWord()
    appendWord(scalar)
    endWord()
  }

  @inline(__always)
  mutating func appendSpace(_ scalar: UInt32) { endWord() }

  /// Writes the ids of the word so far and begins another.
  @inline(__always)
  mutating func endWord() {
    if scalarCount == 0 { return }
    if scalarCount > model.maxWordLength {
      emit(model.unknownID)
    } else {
      let id = startID(length)
      if id >= 0 { emit(id) } else { emitPieces() }
    }
    length = 0
    scalarCount = 0
  }

  /// The id of the first `count` bytes of the word as a token, or -1.
  @inline(__always)
  private func startID(_ count: Int) -> Int32 {
    let prefix = model.prefix
    // A text may spell out the mark itself; the table then knows the token without it.
    if count >= prefix.count, TokenTable.equal(word, prefix) {
      return model.lookup.id(word + prefix.count, count &- prefix.count, .subword)
    }
    return model.lookup.id(word, count, .wordStart)
  }

  /// Writes the ids of a word that is not a token itself.
  @inline(never)
  private mutating func emitPieces() {
    let before = total
    var start = 0
    while start < length {
      var end = min(length, start &+ (start == 0 ? model.longestStart : model.longestSubword))
      alignDown(&end, above: start)
      var id: Int32 = -1
      while end > start {
        id = start == 0 ? startID(end) : model.lookup.id(word + start, end &- start, .subword)
        if id >= 0 { break }
        end &-= 1
        alignDown(&end, above: start)
      }
      if id < 0 {
        total = before
        return emit(model.unknownID)
      }
      emit(id)
      start = end
    }
  }

  /// Moves `end` down to the boundary of a scalar.
  @inline(__always)
  private func alignDown(_ end: inout Int, above start: Int) {
    while end < length, end > start, word[end] & 0xC0 == 0x80 { end &-= 1 }
  }
}
