import Foundation
import Testing

@testable import ARMS

/// The reference's ids of small texts; made by Tests/Fixtures/make_tokenizer_fixture.py.
struct TokenizerFixture: Decodable {
  struct Case: Decodable {
    let name: String
    let lowercase, stripAccents, cleanText, splitCJK: Bool
    let added: [[Int32]]
    let ids: [[Int32]]
  }
  let vocabulary: [String]
  let maxWordLength: Int
  let texts: [String]
  let cases: [Case]

  static func load() throws -> TokenizerFixture {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let file = folder.appendingPathComponent("../../Fixtures/tokenizer.json")
    return try JSONDecoder().decode(TokenizerFixture.self, from: Data(contentsOf: file))
  }
}

private let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##a", "b", "##ab", "?"]
private func options(_ change: (inout WordPieceOptions) -> Void = { _ in }) -> WordPieceOptions {
  var options = WordPieceOptions(unknownID: 1, clsID: 2, sepID: 3, addedTokens: [AddedToken(id: 3)])
  change(&options)
  return options
}

private func encode(
  _ tokenizer: WordPieceTokenizer, _ bytes: [UInt8], capacity: Int = 4096
) throws -> (ids: [Int32], total: Int) {
  var ids = [Int32](repeating: -7, count: capacity)
  let result = try bytes.withUnsafeBufferPointer { text in
    try ids.withUnsafeMutableBufferPointer { try tokenizer.encode(text, into: $0) }
  }
  #expect(ids[result.count...].allSatisfy { $0 == -7 }, "ids were written beyond the count")
  return (Array(ids[..<result.count]), result.total)
}

@Suite struct WordPieceTokenizerTests {
  @Test func idsAreThoseOfTheReference() throws {
    let fixture = try TokenizerFixture.load()
    for expected in fixture.cases {
      let tokenizer = try WordPieceTokenizer(
        vocabulary: fixture.vocabulary,
        options: WordPieceOptions(
          lowercase: expected.lowercase, stripAccents: expected.stripAccents, cleanText: expected.cleanText,
          splitCJK: expected.splitCJK, maxWordLength: fixture.maxWordLength, unknownID: 1, clsID: 2, sepID: 3,
          addedTokens: expected.added.map {
            AddedToken(
              id: $0[0], normalized: $0[1] & 1 != 0, singleWord: $0[1] & 2 != 0, lstrip: $0[1] & 4 != 0,
              rstrip: $0[1] & 8 != 0)
          }))
      for (text, ids) in zip(fixture.texts, expected.ids) {
        let result = try encode(tokenizer, Array(text.utf8))
        #expect(result.ids == ids, "\(expected.name): \(text.debugDescription)")
        #expect(result.total == ids.count)
      }
    }
  }

  @Test func aLongTextLosesItsLastTokensAndKeepsItsEnd() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: vocabulary, options: options())
    let text = Array("a b aa ?".utf8)
    #expect(try encode(tokenizer, text).ids == [2, 4, 6, 4, 5, 8, 3])
    for capacity in 2...9 {
      let result = try encode(tokenizer, text, capacity: capacity)
      #expect(result.ids == [2] + [4, 6, 4, 5, 8].prefix(capacity - 2) + [3])
      #expect(result.total == 7)
    }
  }

  @Test func noRoomForBothEndsIsAnError() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: vocabulary, options: options())
    for capacity in 0...1 {
      let error = #expect(throws: ARMSError.self) { try encode(tokenizer, [], capacity: capacity) }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test(
    arguments: [
      ([0x61, 0xFF], 1), ([0x80], 0), ([0xC0, 0x80], 0), ([0xC1, 0xBF], 0), ([0xE0, 0x9F, 0xBF], 0),
      ([0x61, 0xED, 0xA0, 0x80], 1), ([0xF0, 0x8F, 0xBF, 0xBF], 0), ([0xF4, 0x90, 0x80, 0x80], 0),
      ([0xF5, 0x80, 0x80, 0x80], 0), ([0xC3], 0), ([0x61, 0xE4, 0xB8], 1), ([0xF0, 0x9F, 0x98], 0),
      ([0xC3, 0xA9, 0xC3, 0x41], 2), (Array(repeating: 0x61, count: 20) + [0xE2, 0x28, 0xA1], 20),
    ] as [([UInt8], Int)])
  func textThatIsNotUTF8NamesTheOffset(_ bytes: [UInt8], _ offset: Int) throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: vocabulary, options: options())
    let error = #expect(throws: ARMSError.self) { try encode(tokenizer, bytes) }
    #expect(error?.code == .invalidText)
    #expect(error?.message.contains("offset \(offset);") == true)
  }

  /// The validation agrees with the standard library on random bytes.
  @Test func validationIsThatOfTheStandardLibrary() {
    var generator = SystemRandomNumberGenerator()
    let bytes: [UInt8] = [0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE1, 0xED, 0xF0, 0xF1, 0xF4]
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
        bytes.randomElement(using: &generator) ?? 0
      }
      let offset = text.withUnsafeBufferPointer { UTF8Text.firstInvalidOffset($0) }
      #expect((offset == nil) == (String(validating: text, as: UTF8.self) != nil), "\(text)")
    }
  }

  @Test func ofEqualTokensTheLastWins() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: vocabulary + ["a", "##a"], options: options())
    #expect(try encode(tokenizer, Array("a aa".utf8)).ids == [2, 9, 9, 10, 3])
  }

  @Test func anEmptyPrefixMakesEveryTokenASubword() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: vocabulary, options: options { $0.subwordPrefix = "" })
    #expect(try encode(tokenizer, Array("aab".utf8)).ids == [2, 4, 4, 6, 3])
  }

  @Test func aMegabyteIsEncodedWhole() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: vocabulary, options: options())
    let cases: [(String, total: Int)] = [
      ("a ", 500_002), ("a", 3), ("[SEP]", 200_002), ("?", 1_000_002), ("é", 3), ("\u{302E}\u{1D165}", 3),
      ("[", 1_000_002),
    ]
    for (unit, total) in cases {
      let bytes = Array(String(repeating: unit, count: 1_000_000 / unit.utf8.count).utf8)
      #expect(try encode(tokenizer, bytes, capacity: 16).total == total, "\(unit)")
    }
  }

  @Test func tokensAreReadWhereTheyLieAndTheirOwnerIsKept() throws {
    final class Mapping: Sendable {
      let released: @Sendable () -> Void
      init(_ released: @escaping @Sendable () -> Void) { self.released = released }
      deinit { released() }
    }
    let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 4)
    _ = memory.initialize(from: Array("UCSa".utf8))
    nonisolated(unsafe) var releases = 0
    do {
      let tokenizer = try WordPieceTokenizer(
        vocabularyCount: 4, owner: Mapping { releases += 1 },
        options: WordPieceOptions(unknownID: 0, clsID: 1, sepID: 2)
      ) { UnsafeBufferPointer(rebasing: memory[$0..<($0 + 1)]) }
      #expect(try encode(tokenizer, Array("a x".utf8)).ids == [1, 3, 0, 2])
      #expect(releases == 0)
    }
    #expect(releases == 1)
    memory.deallocate()
  }

  @Test func optionsThatContradictTheVocabularyAreErrors() {
    func fails(_ tokens: [String] = vocabulary, _ change: (inout WordPieceOptions) -> Void = { _ in }) {
      let error = #expect(throws: ARMSError.self) {
        try WordPieceTokenizer(vocabulary: tokens, options: options(change))
      }
      #expect(error?.code == .invalidModel)
    }
    fails([])
    fails { $0.unknownID = 9 }
    fails { $0.clsID = -1 }
    fails { $0.sepID = .max }
    fails { $0.maxWordLength = -1 }
    fails { $0.maxWordLength = .max }
    fails { $0.addedTokens = [AddedToken(id: 9)] }
    fails { $0.addedTokens = [AddedToken(id: .min)] }
    fails(vocabulary + [""]) { $0.addedTokens = [AddedToken(id: 9)] }
    fails(vocabulary + ["\u{301}"]) { $0.addedTokens = [AddedToken(id: 9, normalized: true)] }
  }

  @Test func whatTheVocabularyThrowsIsThrown() {
    let failure = ARMSError(.invalidModel, "cut off")
    #expect(throws: failure) {
      try WordPieceTokenizer(vocabularyCount: 4, owner: nil, options: options()) { (_) throws(ARMSError) in
        throw failure
      }
    }
  }

  @Test func aWordLengthOfZeroMakesEveryWordUnknown() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: vocabulary, options: options { $0.maxWordLength = 0 })
    #expect(try encode(tokenizer, Array("a b?".utf8)).ids == [2, 1, 1, 1, 3])
  }
}
