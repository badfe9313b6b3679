import Testing

@testable import ARMS

@Suite struct RankingTests {
  /// The best entries come in the order of a stable sort, of equals the first.
  @Test(arguments: [1, 2, 3, 10, 100, 1_000]) func ordersAsAStableSortDoes(count: Int) throws {
    let arena = ScratchArena()
    defer { extendLifetime(arena) }
    // Numbers in no order, most of which occur several times.
    let utilities = (0..<count).map { Float($0 * 7_919 % 1_009 % max(1, count / 3)) }
    let sorted = utilities.indices.sorted { utilities[$0] > utilities[$1] }
    for limit in [0, 1, count / 2, count, Int.max] {
      var ranking = try Ranking(capacity: count, in: arena)
      for (index, utility) in utilities.enumerated() {
        ranking.append(
          Ranking.Entry(
            stage: 2 * index / count, index: index, logit: 0, calibrated: 0, confidence: utility,
            utility: utility))
      }
      #expect(ranking.hasConfidence(above: -1) && !ranking.hasConfidence(above: Float(count)))
      ranking.order(limit)
      #expect((0..<min(limit, count)).map { ranking[$0].index } == Array(sorted.prefix(limit)))
    }
  }
}
