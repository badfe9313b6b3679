/// BERT's tokeniser: text to the ids of WordPiece tokens, between `[CLS]` and `[SEP]`.
///
/// Added tokens are found first, in the raw text; what lies between them is normalised, split into words and
/// looked up, in one pass without allocation. The ids are those of Hugging Face `tokenizers`, for any text.
///
/// Immutable; any number of threads may use one at once. The vocabulary's bytes are read where they lie, and
/// `owner` keeps them there.
package final class WordPieceTokenizer: @unchecked Sendable {
  /// How many tokens the vocabulary has.
  package let vocabularyCount: Int
  /// The options it was made with.
  package let options: WordPieceOptions

  private let owner: (any AnyObject & Sendable)?
  private let table: TokenTable
  private let model: WordPieceSink.Model
  private let normalizer: BERTNormalizer
  private let rawMatcher: AddedTokenMatcher?
  private let normalizedMatcher: NormalizedMatcher?
  private let prefix: ByteStorage

  /// The most scalars of a word that may be asked for. It bounds the cost of a byte of text.
  package static let maxWordLengthLimit = 4096
  /// The most bytes of a token. Text costs up to the square of the longest token a byte, so that one absurd
  /// token would make a vocabulary that takes minutes for a page.
  package static let tokenLengthLimit = 128
  /// The most tokens of a vocabulary.
  package static let maxVocabularyCount = 1 << 24

  /// Makes a tokeniser of a vocabulary in memory that `owner` keeps alive.
  ///
  /// `token` is asked for every token once, in the order of the ids, so it may walk a file's string array; it
  /// may throw. Of equal tokens the last one's id is used. Some 50 ns a token.
  ///
  /// - Throws: `invalidModel` if an id of the options lies outside the vocabulary, the longest word is out of
  ///   range, or an added token has no spelling; `limitExceeded`; `outOfMemory`; what `token` throws.
  package init(
    vocabularyCount: Int, owner: (any AnyObject & Sendable)?, options: WordPieceOptions,
    token: (Int) throws(ARMSError) -> UnsafeBufferPointer<UInt8>
  ) throws(ARMSError) {
    try Self.validate(options, vocabularyCount: vocabularyCount)
    self.vocabularyCount = vocabularyCount
    self.options = options
    self.owner = owner
    prefix = ByteStorage(Array(options.subwordPrefix.utf8))
    table = try TokenTable(capacity: vocabularyCount)

    // Spellings of the added tokens, filled in as the vocabulary passes by.
    let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    var wanted = Dictionary(options.addedTokens.map { (Int($0.id), none) }) { first, _ in first }
    let lastWanted = wanted.keys.max() ?? -1
    var (longestStart, longestSubword) = (0, 0)
    let mark = prefix.bytes
    for id in 0..<vocabularyCount {
      let bytes = try token(id)
      guard bytes.count <= Self.tokenLengthLimit else {
        throw ARMSError(
          .invalidModel,
          "token \(id) of the vocabulary has \(bytes.count) bytes; at most \(Self.tokenLengthLimit) are read")
      }
      if id <= lastWanted, wanted[id] != nil { wanted[id] = bytes }
      guard let base = bytes.baseAddress, let id32 = Int32(exactly: id) else { continue }
      longestStart = max(longestStart, bytes.count)
      if bytes.count >= mark.count, TokenTable.equal(base, mark) {
        let rest = bytes.count - mark.count
        table.insert(base + mark.count, rest, .subword, id: id32)
        longestSubword = max(longestSubword, rest)
      } else {
        table.insert(base, bytes.count, .wordStart, id: id32)
      }
    }
    model = WordPieceSink.Model(
      lookup: table.lookup, prefix: mark, unknownID: options.unknownID, maxWordLength: options.maxWordLength,
      longestStart: longestStart, longestSubword: longestSubword)
    normalizer = BERTNormalizer(
      cleanText: options.cleanText, splitCJK: options.splitCJK, stripAccents: options.stripAccents,
      lowercase: options.lowercase)

    var (raw, normalized): (AddedTokenMatcher.Tokens, AddedTokenMatcher.Tokens) = ([], [])
    for added in options.addedTokens {
      guard let spelling = wanted[Int(added.id)] else { continue }
      if added.normalized { normalized.append((added, spelling)) } else { raw.append((added, spelling)) }
    }
    rawMatcher = try AddedTokenMatcher(raw)
    normalizedMatcher = try NormalizedMatcher(normalized, normalizer)
  }

  /// Makes a tokeniser of a vocabulary given as text; the position is the id.
  ///
  /// - Throws: as the other initialiser.
  package convenience init(vocabulary: [String], options: WordPieceOptions) throws(ARMSError) {
    let storage = ByteStorage(vocabulary.flatMap { Array($0.utf8) })
    let lengths = vocabulary.map(\.utf8.count)
    var next = 0
    try self.init(vocabularyCount: vocabulary.count, owner: storage, options: options) { id in
      let start = next
      next += lengths[id]
      return UnsafeBufferPointer(rebasing: storage.bytes[start..<next])
    }
  }

  /// Checks what the options promise about the vocabulary.
  private static func validate(_ options: WordPieceOptions, vocabularyCount: Int) throws(ARMSError) {
    guard vocabularyCount > 0 else {
      throw ARMSError(.invalidModel, "the vocabulary is empty; a tokenizer needs [UNK], [CLS] and [SEP]")
    }
    guard vocabularyCount <= maxVocabularyCount else {
      throw ARMSError(
        .limitExceeded, "the vocabulary has \(vocabularyCount) tokens; at most \(maxVocabularyCount) are read"
      )
    }
    guard (0...maxWordLengthLimit).contains(options.maxWordLength) else {
      throw ARMSError(
        .invalidModel, "max_word_length is \(options.maxWordLength); give one in 0...\(maxWordLengthLimit)")
    }
    let named = [
      ("unknown_id", options.unknownID), ("cls_id", options.clsID), ("sep_id", options.sepID),
    ]
    for (name, id) in named + options.addedTokens.map({ ("added token", $0.id) })
    where id < 0 || Int(id) >= vocabularyCount {
      throw ARMSError(
        .invalidModel, "\(name) is \(id); the vocabulary's ids are 0...\(vocabularyCount - 1)")
    }
  }

  /// Writes the ids of a text, `[CLS]` and `[SEP]` included, into at most `ids.count` places.
  ///
  /// A longer text loses its last tokens, and `[SEP]` still ends it. `count` is how many ids were written,
  /// `total` how many there are without truncation. Time is linear in the length of the text.
  ///
  /// - Throws: `invalidText`, which names the offset, if the text is not UTF-8; `invalidArgument` if there is
  ///   no room for `[CLS]` and `[SEP]`; `outOfMemory` if the vocabulary has added tokens that are looked for in
  ///   normalised text, and there is no memory for that.
  package func encode(
    _ utf8: UnsafeBufferPointer<UInt8>, into ids: UnsafeMutableBufferPointer<Int32>
  ) throws(ARMSError) -> (count: Int, total: Int) {
    guard ids.count >= 2 else {
      throw ARMSError(.invalidArgument, "there is room for \(ids.count) tokens; give room for at least 2")
    }
    if let offset = UTF8Text.firstInvalidOffset(utf8) {
      throw ARMSError(.invalidText, "the text is not UTF-8 at byte offset \(offset); encode it as UTF-8")
    }
    let content = UnsafeMutableBufferPointer(rebasing: ids[..<(ids.count - 1)])
    let total = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4 * options.maxWordLength + 1) {
      word -> Int? in
      guard let word = word.baseAddress else { return nil }
      var sink = WordPieceSink(model: model, ids: content, word: word)
      sink.emit(options.clsID)
      if let text = utf8.baseAddress { encode(text, utf8.count, into: &sink) }
      return sink.isExhausted ? nil : sink.total
    }
    guard let total else {
      throw ARMSError(
        .outOfMemory, "a text of \(utf8.count) bytes cannot be held in its normalised form; shorten it")
    }
    let count = min(total, content.count)
    ids[count] = options.sepID
    return (count + 1, total + 1)
  }

  /// Finds the added tokens of the raw text and encodes the rest.
  private func encode(_ text: UnsafePointer<UInt8>, _ count: Int, into sink: inout WordPieceSink) {
    guard let rawMatcher else { return encodeStretch(text, count, into: &sink) }
    var index = 0
    var done = 0
    while let match = rawMatcher.next(text, count, from: &index, done: done) {
      if done < match.start { encodeStretch(text + done, match.start &- done, into: &sink) }
      sink.emit(match.id)
      done = match.end
    }
    if done < count { encodeStretch(text + done, count &- done, into: &sink) }
  }

  /// Encodes text without added tokens of the raw kind.
  private func encodeStretch(_ text: UnsafePointer<UInt8>, _ count: Int, into sink: inout WordPieceSink) {
    guard let normalizedMatcher else {
      normalizer.normalize(text, count, into: &sink)
      return sink.endWord()
    }
    var normalized = TextSink()
    normalizer.normalize(text, count, into: &normalized)
    if normalized.isExhausted { sink.isExhausted = true }
    withExtendedLifetime(normalized) { encode(normalized: normalized.bytes, normalizedMatcher, into: &sink) }
  }

  /// Finds the added tokens of normalised text and encodes the rest.
  private func encode(
    normalized bytes: UnsafeBufferPointer<UInt8>, _ normalizedMatcher: NormalizedMatcher,
    into sink: inout WordPieceSink
  ) {
    guard let base = bytes.baseAddress else { return }
    var index = 0
    var done = 0
    let splitter = normalizedMatcher.splitter
    while let match = normalizedMatcher.matcher.next(base, bytes.count, from: &index, done: done) {
      if done < match.start { splitter.normalize(base + done, match.start &- done, into: &sink) }
      sink.endWord()
      sink.emit(match.id)
      done = match.end
    }
    if done < bytes.count { splitter.normalize(base + done, bytes.count &- done, into: &sink) }
    sink.endWord()
  }
}

/// Finds the added tokens that are looked for in normalised text.
private struct NormalizedMatcher {
  let matcher: AddedTokenMatcher
  /// Splits text that is normalised already.
  let splitter: BERTNormalizer
  private let spellings: [ByteStorage]

  /// Makes a matcher of tokens, whose spellings are normalised as the text will be; nil if there are none.
  init?(_ tokens: AddedTokenMatcher.Tokens, _ normalizer: BERTNormalizer) throws(ARMSError) {
    var spellings: [ByteStorage] = []
    var normalized: AddedTokenMatcher.Tokens = []
    for (token, spelling) in tokens {
      if let offset = UTF8Text.firstInvalidOffset(spelling) {
        throw ARMSError(
          .invalidModel, "added token \(token.id) is not UTF-8 at byte offset \(offset); encode it as UTF-8")
      }
      var sink = TextSink()
      if let base = spelling.baseAddress { normalizer.normalize(base, spelling.count, into: &sink) }
      guard !sink.isExhausted else {
        throw ARMSError(.outOfMemory, "\(spelling.count) bytes of an added token cannot be normalised")
      }
      let storage = withExtendedLifetime(sink) { ByteStorage(Array(sink.bytes)) }
      spellings.append(storage)
      normalized.append((token, storage.bytes))
    }
    guard let matcher = try AddedTokenMatcher(normalized) else { return nil }
    self.matcher = matcher
    self.spellings = spellings
    splitter = BERTNormalizer(cleanText: false, splitCJK: false, stripAccents: false, lowercase: false)
  }
}

/// Bytes at a fixed address. Never changed after they were copied in, hence safe to share.
private final class ByteStorage: @unchecked Sendable {
  let bytes: UnsafeBufferPointer<UInt8>

  init(_ source: [UInt8]) {
    let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: source.count)
    _ = memory.initialize(from: source)
    bytes = UnsafeBufferPointer(memory)
  }

  deinit { bytes.deallocate() }
}
