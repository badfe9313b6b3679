import CUnicode

/// Finds added tokens in a text: at each place from left to right the longest that stands there.
///
/// Linear in the text: each place costs one hash lookup for every distinct length of the tokens, which
/// ``spellingLimit`` bounds.
final class AddedTokenMatcher: @unchecked Sendable {
  /// A token found, with the white space that its flags take in.
  struct Match {
    var id: Int32
    /// Where the text before it ends.
    var start: Int
    /// Where the text after it begins.
    var end: Int
  }

  /// The most bytes of a spelling. Every length up to it may occur, and is then looked up at every place.
  private static let spellingLimit = WordPieceTokenizer.tokenLengthLimit

  private let tokens: [AddedToken]
  private let table: TokenTable
  /// Distinct lengths in bytes, the longest first.
  private let lengths: [Int]
  /// Whether a token begins with the byte.
  private let beginnings: [256 of Bool]

  /// Tokens and their spellings.
  typealias Tokens = [(token: AddedToken, spelling: UnsafeBufferPointer<UInt8>)]

  /// Makes a matcher of tokens whose spellings outlive it; nil if there are none.
  init?(_ tokens: Tokens) throws(ARMSError) {
    if tokens.isEmpty { return nil }
    self.tokens = tokens.map(\.token)
    table = try TokenTable(capacity: tokens.count)
    var distinct: Set<Int> = []
    var beginnings: [256 of Bool] = .init(repeating: false)
    // Backwards, because the table keeps the last of equal spellings and here the first one wins.
    for (index, (token, spelling)) in tokens.enumerated().reversed() {
      guard let bytes = spelling.baseAddress, !spelling.isEmpty else {
        throw ARMSError(.invalidModel, "added token \(token.id) is empty; give it a spelling that is not")
      }
      // Only then does every match begin and end between two scalars of the text.
      if let offset = UTF8Text.firstInvalidOffset(spelling) {
        throw ARMSError(
          .invalidModel, "added token \(token.id) is not UTF-8 at byte offset \(offset); encode it as UTF-8")
      }
      let limit = Self.spellingLimit
      guard spelling.count <= limit, let position = Int32(exactly: index) else {
        throw ARMSError(
          .invalidModel, "added token \(token.id) has \(spelling.count) bytes; shorten it to \(limit)")
      }
      table.insert(bytes, spelling.count, .wordStart, id: position)
      distinct.insert(spelling.count)
      beginnings[Int(bytes[0])] = true
    }
    lengths = distinct.sorted(by: >)
    self.beginnings = beginnings
  }

  /// The next token in `text` whose spelling begins at or after `index`, which moves behind the spelling.
  ///
  /// `done` is where the match before ended; white space before it is taken already.
  func next(_ text: UnsafePointer<UInt8>, _ count: Int, from index: inout Int, done: Int) -> Match? {
    while let found = nextSpelling(text, count, from: &index) {
      if let match = match(found, text, count, done: done) { return match }
    }
    return nil
  }

  private func nextSpelling(
    _ text: UnsafePointer<UInt8>, _ count: Int, from index: inout Int
  ) -> (token: AddedToken, start: Int, end: Int)? {
    while index < count {
      if beginnings[Int(text[index])] {
        for length in lengths where length <= count &- index {
          let position = table.lookup.id(text + index, length, .wordStart)
          if position >= 0 {
            let start = index
            index &+= length
            return (tokens[Int(position)], start, index)
          }
        }
      }
      index &+= 1
    }
    return nil
  }

  /// Applies the flags of a token found; nil if it is to be a single word and is not.
  private func match(
    _ found: (token: AddedToken, start: Int, end: Int), _ text: UnsafePointer<UInt8>, _ count: Int, done: Int
  ) -> Match? {
    var (start, end) = (found.start, found.end)
    if found.token.singleWord {
      if start > 0, has(UTF8Text.decodeBackwards(text, before: start).scalar, CUNICODE_WORD) { return nil }
      if end < count, has(UTF8Text.decode(text + end).scalar, CUNICODE_WORD) { return nil }
    }
    if found.token.lstrip {
      // Not before `done`: a text of white space alone would be passed over once for each match.
      while start > done {
        let (scalar, length) = UTF8Text.decodeBackwards(text, before: start)
        if !has(scalar, CUNICODE_WHITESPACE) { break }
        start &-= length
      }
      start = max(start, done)
    }
    if found.token.rstrip {
      // A match that ends before `done` lies in white space that was passed over already.
      end = max(end, done)
      while end < count {
        let (scalar, length) = UTF8Text.decode(text + end)
        if !has(scalar, CUNICODE_WHITESPACE) { break }
        end &+= length
      }
    }
    return Match(id: found.token.id, start: start, end: end)
  }

  private func has(_ scalar: UInt32, _ flag: UInt32) -> Bool { cunicode_lookup(scalar).has(flag) }
}
