import Testing

@testable import ARMS

@Suite struct MatrixProductTests {
  /// Sides below, at and above what pieces are made of, and no multiple of it; the other side shorter or longer.
  @Test(arguments: [0, 1, 31, 96, 128, 400, 513, 3_073], [0, 1, 400, 768])
  func piecesCoverAProductOnce(_ rows: Int, _ columns: Int) {
    let cuts =
      [ProductPieces(rows: rows, columns: columns)]
      + (1...5).map { ProductPieces(rows: rows, columns: columns, threads: $0) }
    for pieces in cuts {
      var next = 0
      for index in 0..<pieces.count {
        let (some, others) = pieces[index]
        let (cut, whole) = rows >= columns ? (some, others) : (others, some)
        #expect(cut.lowerBound == next && !cut.isEmpty)
        #expect(whole == 0..<min(rows, columns))
        next = cut.upperBound
      }
      #expect(next == max(rows, columns))
    }
  }

  /// As many pieces for each thread, so that none waits for another.
  @Test(arguments: 1...4) func threadsHaveAsMuchToDo(_ threads: Int) {
    for side in [768, 1_024, 3_072] {
      let pieces = ProductPieces(rows: side, columns: 400, threads: threads)
      #expect(pieces.count % threads == 0)
    }
  }
}
