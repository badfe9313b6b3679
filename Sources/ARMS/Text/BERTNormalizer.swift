import CUnicode

/// Receives normalised text, scalar by scalar.
///
/// The normaliser knows what kind of scalar it hands over, so the receiver need not look it up again.
protocol NormalizedTextSink {
  /// Takes the ASCII bytes of words from the front of `text`, mapped by `table`, and returns how many it took.
  mutating func appendWordBytes(
    _ text: UnsafePointer<UInt8>, _ count: Int, _ table: UnsafePointer<UInt16>
  ) -> Int
  /// Takes a scalar that belongs to a word.
  mutating func appendWord(_ scalar: UInt32)
  /// Takes a scalar that is a word of its own.
  mutating func appendPunctuation(_ scalar: UInt32)
  /// Takes a scalar that separates words.
  mutating func appendSpace(_ scalar: UInt32)
}

/// BERT's normaliser: clean, set CJK ideographs apart, strip accents, lower the case, in this order.
///
/// One pass over UTF-8. ASCII is mapped by a table of its own, made for the options; every other scalar by
/// the tables of `CUnicode`, which follow the reference's behaviour.
final class BERTNormalizer: @unchecked Sendable {
  private let cleanText: Bool
  private let splitCJK: Bool
  private let stripAccents: Bool
  private let lowercase: Bool

  /// By byte: below `dropped` the byte of a word, otherwise one of the kinds below and the byte.
  private let ascii: UnsafeMutablePointer<UInt16>
  static let dropped: UInt16 = 0x100
  private static let space: UInt16 = 0x200
  private static let punctuation: UInt16 = 0x300
  private static let notASCII: UInt16 = 0x400

  /// Makes a normaliser; with every step off it only tells words, spaces and punctuation apart.
  init(cleanText: Bool, splitCJK: Bool, stripAccents: Bool, lowercase: Bool) {
    self.cleanText = cleanText
    self.splitCJK = splitCJK
    self.stripAccents = stripAccents
    self.lowercase = lowercase
    ascii = .allocate(capacity: 256)
    for byte in UInt16(0)..<256 {
      let record = cunicode_lookup(UInt32(byte))
      let entry: UInt16
      if byte >= 0x80 {
        entry = Self.notASCII
      } else if cleanText, record.has(CUNICODE_CONTROL) {
        entry = Self.dropped
      } else if cleanText, record.has(CUNICODE_SPACE) {
        entry = Self.space | 0x20
      } else if record.has(CUNICODE_WHITESPACE) {
        entry = Self.space | byte
      } else if record.has(CUNICODE_PUNCTUATION) {
        entry = Self.punctuation | byte
      } else {
        entry = lowercase ? UInt16(truncatingIfNeeded: Int32(byte) &+ record.lowercase) : byte
      }
      ascii[Int(byte)] = entry
    }
  }

  deinit { ascii.deallocate() }

  /// Normalises well-formed UTF-8 into `sink`.
  func normalize<Sink: NormalizedTextSink>(
    _ text: UnsafePointer<UInt8>, _ count: Int, into sink: inout Sink
  ) {
    let ascii = UnsafePointer(ascii)
    var marks = CombiningRun()
    var index = 0
    while index < count {
      let entry = ascii[Int(text[index])]
      if entry == Self.notASCII {
        let (scalar, length) = UTF8Text.decode(text + index)
        append(scalar, to: &sink, &marks)
        index &+= length
        continue
      }
      if entry >> 8 != Self.dropped >> 8 { marks.flush(to: &sink) }
      if entry < Self.dropped {
        index &+= sink.appendWordBytes(text + index, count &- index, ascii)
        continue
      }
      let mapped = UInt32(entry & 0xFF)
      switch entry >> 8 {
      case Self.space >> 8: sink.appendSpace(mapped)
      case Self.punctuation >> 8: sink.appendPunctuation(mapped)
      default: break
      }
      index &+= 1
    }
    marks.flush(to: &sink)
  }

  /// Cleans a scalar and sets it apart if it is an ideograph.
  private func append<Sink: NormalizedTextSink>(
    _ scalar: UInt32, to sink: inout Sink, _ marks: inout CombiningRun
  ) {
    let record = cunicode_lookup(scalar)
    if cleanText {
      if record.has(CUNICODE_CONTROL) { return }
      if record.has(CUNICODE_SPACE) {
        marks.flush(to: &sink)
        return sink.appendSpace(0x20)
      }
    }
    let apart = splitCJK && record.has(CUNICODE_CJK)
    if apart {
      marks.flush(to: &sink)
      sink.appendSpace(0x20)
    }
    if stripAccents {
      strip(scalar, record, to: &sink, &marks)
    } else {
      lower(scalar, record, to: &sink)
    }
    if apart {
      marks.flush(to: &sink)
      sink.appendSpace(0x20)
    }
  }

  /// Decomposes a scalar and drops its nonspacing marks.
  private func strip<Sink: NormalizedTextSink>(
    _ scalar: UInt32, _ record: cunicode_record, to sink: inout Sink, _ marks: inout CombiningRun
  ) {
    if record.decomposition == 0 { return stripPart(scalar, record, to: &sink, &marks) }
    if record.decomposition == CUNICODE_HANGUL {
      // Unicode, section 3.12: 19 leading consonants x 21 vowels x (no or 27 trailing consonants).
      let syllable = scalar &- 0xAC00
      lower(0x1100 &+ syllable / 588, record, to: &sink, after: &marks)
      lower(0x1161 &+ syllable % 588 / 28, record, to: &sink, after: &marks)
      if syllable % 28 != 0 { lower(0x11A7 &+ syllable % 28, record, to: &sink, after: &marks) }
      return
    }
    var count: UInt32 = 0
    guard let parts = cunicode_decomposition(record.decomposition, &count) else { return }
    for part in UnsafeBufferPointer(start: parts, count: Int(count)) {
      stripPart(part, cunicode_lookup(part), to: &sink, &marks)
    }
  }

  private func stripPart<Sink: NormalizedTextSink>(
    _ scalar: UInt32, _ record: cunicode_record, to sink: inout Sink, _ marks: inout CombiningRun
  ) {
    let dropped = record.has(CUNICODE_NONSPACING)
    if record.combining != 0 {
      // Marks are put in order before some of them are dropped; those dropped do not change the order of
      // the others.
      if !dropped { marks.append(scalar, combining: record.combining, to: &sink) }
    } else if dropped {
      marks.flush(to: &sink)
    } else {
      lower(scalar, record, to: &sink, after: &marks)
    }
  }

  private func lower<Sink: NormalizedTextSink>(
    _ scalar: UInt32, _ record: cunicode_record, to sink: inout Sink, after marks: inout CombiningRun
  ) {
    marks.flush(to: &sink)
    lower(scalar, record, to: &sink)
  }

  /// Lowers the case of a scalar and hands it over. Only U+0130 lowers to two scalars.
  private func lower<Sink: NormalizedTextSink>(
    _ scalar: UInt32, _ record: cunicode_record, to sink: inout Sink
  ) {
    if lowercase, scalar == 0x130 {
      sink.appendWord(0x69)
      return sink.appendWord(0x307)
    }
    let lowered = lowercase ? scalar &+ UInt32(bitPattern: record.lowercase) : scalar
    if record.has(CUNICODE_WHITESPACE) {
      sink.appendSpace(lowered)
    } else if record.has(CUNICODE_PUNCTUATION) {
      sink.appendPunctuation(lowered)
    } else {
      sink.appendWord(lowered)
    }
  }
}

/// Marks that the stripping of accents keeps, in canonical order: by combining class, stably, up to the next
/// scalar of class 0. They have no case and always belong to words. A word of as many as are kept is too long to be
/// known in any order.
private struct CombiningRun {
  private static let most = WordPieceTokenizer.maxWordLengthLimit
  private var marks: [(key: UInt64, scalar: UInt32)] = []

  mutating func append<Sink: NormalizedTextSink>(_ scalar: UInt32, combining: UInt8, to sink: inout Sink) {
    if marks.count > Self.most { flushSorted(to: &sink) }
    marks.append((UInt64(combining) << 56 | UInt64(truncatingIfNeeded: marks.count), scalar))
  }

  @inline(__always)
  mutating func flush<Sink: NormalizedTextSink>(to sink: inout Sink) {
    if !marks.isEmpty { flushSorted(to: &sink) }
  }

  @inline(never)
  private mutating func flushSorted<Sink: NormalizedTextSink>(to sink: inout Sink) {
    marks.sort { $0.key < $1.key }
    for mark in marks { sink.appendWord(mark.scalar) }
    marks.removeAll(keepingCapacity: true)
  }
}

extension cunicode_record {
  /// Whether the flag is set.
  @inline(__always)
  func has(_ flag: UInt32) -> Bool { UInt32(flags) & flag != 0 }
}
