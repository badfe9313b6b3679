extension WordPieceTokenizer {
  /// Reads vocabulary and options from the keys that begin with `key`, "arms.tokenizer" say. The tokens stay
  /// in the file.
  convenience init(_ file: ModelFile, key: String) throws(ARMSError) {
    let tokens = try file.strings("\(key).tokens")
    // Before they are read: their number is the file's to claim.
    let added = file.value("\(key).added.ids")?.count ?? 0
    guard added <= tokens.count else {
      throw file.invalid(
        "\(key).added.ids has \(added) entries, more than the \(tokens.count) of the vocabulary")
    }
    let ids = file.has("\(key).added.ids") ? try file.uint32Array("\(key).added.ids") : []
    let flags = file.has("\(key).added.flags") ? try file.uint32Array("\(key).added.flags") : []
    guard ids.count == flags.count else {
      throw file.invalid(
        "\(key).added.ids has \(ids.count) entries and .added.flags \(flags.count); as many are wanted")
    }
    let options = WordPieceOptions(
      lowercase: try file.bool("\(key).lowercase"), stripAccents: try file.bool("\(key).strip_accents"),
      cleanText: try file.bool("\(key).clean_text"), splitCJK: try file.bool("\(key).split_cjk"),
      maxWordLength: try file.uint32("\(key).max_word_length"),
      subwordPrefix: try file.string("\(key).subword_prefix"),
      unknownID: try Self.id(file, "\(key).unknown_id"), clsID: try Self.id(file, "\(key).cls_id"),
      sepID: try Self.id(file, "\(key).sep_id"),
      addedTokens: zip(ids, flags).map { id, flags in
        AddedToken(
          id: Int32(clamping: id), normalized: flags & 1 != 0, singleWord: flags & 2 != 0,
          lstrip: flags & 4 != 0, rstrip: flags & 8 != 0)
      })
    do throws(ARMSError) {
      try self.init(vocabularyCount: tokens.count, owner: file, options: options) { tokens[$0] }
    } catch {
      throw ARMSError(error.code, "\(printable(file.path)): \(error.message)")
    }
  }

  private static func id(_ file: ModelFile, _ key: String) throws(ARMSError) -> Int32 {
    Int32(clamping: try file.uint32(key))
  }

  /// The token ids of a text; see ``encode(_:into:)``.
  func encode(
    _ text: String, into ids: UnsafeMutableBufferPointer<Int32>
  ) throws(ARMSError) -> (count: Int, total: Int) {
    var text = text
    var failure: ARMSError?
    let result = text.withUTF8 { bytes -> (count: Int, total: Int) in
      do throws(ARMSError) { return try encode(bytes, into: ids) } catch {
        failure = error
        return (0, 0)
      }
    }
    if let failure { throw failure }
    return result
  }
}
