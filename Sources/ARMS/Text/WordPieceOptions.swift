/// How a text becomes token ids: the settings of BERT's normaliser and of WordPiece, as the model file's
/// `arms.tokenizer.*` keys resolve them.
package struct WordPieceOptions: Sendable, Equatable {
  /// Map every scalar to lower case, after accents were stripped.
  package var lowercase: Bool
  /// Decompose canonically and drop nonspacing marks.
  package var stripAccents: Bool
  /// Drop control characters, and make every kind of space U+0020.
  package var cleanText: Bool
  /// Let each CJK ideograph be a word.
  package var splitCJK: Bool
  /// A word of more scalars than this is the unknown token.
  package var maxWordLength: Int
  /// What the vocabulary writes before a token that continues a word.
  package var subwordPrefix: String
  /// The id of `[UNK]`.
  package var unknownID: Int32
  /// The id that stands before every text.
  package var clsID: Int32
  /// The id that stands after every text.
  package var sepID: Int32
  /// Tokens found in the text before anything else. Of two that read the same the first wins.
  package var addedTokens: [AddedToken]

  /// Makes options; the defaults are those of the uncased BERT family.
  package init(
    lowercase: Bool = true, stripAccents: Bool = true, cleanText: Bool = true, splitCJK: Bool = true,
    maxWordLength: Int = 100, subwordPrefix: String = "##", unknownID: Int32, clsID: Int32, sepID: Int32,
    addedTokens: [AddedToken] = []
  ) {
    self.lowercase = lowercase
    self.stripAccents = stripAccents
    self.cleanText = cleanText
    self.splitCJK = splitCJK
    self.maxWordLength = maxWordLength
    self.subwordPrefix = subwordPrefix
    self.unknownID = unknownID
    self.clsID = clsID
    self.sepID = sepID
    self.addedTokens = addedTokens
  }
}

/// A vocabulary entry that is recognised as it stands in the text, such as `[SEP]`.
package struct AddedToken: Sendable, Equatable {
  /// Its id; the vocabulary holds its spelling.
  package var id: Int32
  /// Look for its normalised spelling in the normalised text, not for its spelling in the raw text.
  package var normalized: Bool
  /// Match only where no word character touches it.
  package var singleWord: Bool
  /// Take in the white space before it.
  package var lstrip: Bool
  /// Take in the white space after it.
  package var rstrip: Bool

  /// Makes an added token; without flags it is one of the special tokens of BERT.
  package init(
    id: Int32, normalized: Bool = false, singleWord: Bool = false, lstrip: Bool = false, rstrip: Bool = false
  ) {
    self.id = id
    self.normalized = normalized
    self.singleWord = singleWord
    self.lstrip = lstrip
    self.rstrip = rstrip
  }
}
