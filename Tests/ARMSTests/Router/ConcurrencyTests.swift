import Glibc
import Testing

@testable import ARMS

@Suite struct ConcurrencyTests {
  private static let int8 = ModelFixture.named("bert-patches-paper-int8.gguf")

  private static func queries(_ fixture: ModelFixture) -> [Query] {
    fixture.questions.enumerated().map { number, question in
      Query(question: question.text, images: (0..<number % 3).map { image($0) })
    }
  }

  /// However many ask at once, whoever has the threads of the pool.
  @Test(arguments: [1, 2, 5]) func callersAtOnceDecideTheSame(threads: Int) throws {
    let router = try Self.int8.router(threads: threads)
    let expected = try Self.queries(Self.int8).map { try router.route($0) }
    let wrong = Counter()
    Threads.run(6) { caller in
      let queries = Self.queries(Self.int8)
      for round in 0..<30 {
        let number = (caller + round) % queries.count
        guard let decision = try? router.route(queries[number]), same(decision, expected[number]) else {
          wrong.add()
          continue
        }
      }
    }
    #expect(wrong.value == 0)
  }

  @Test func theNumberOfThreadsChangesNoBit() throws {
    let (one, four) = (try Self.int8.router(threads: 1), try Self.int8.router(threads: 4))
    for query in Self.queries(Self.int8) { #expect(same(try one.route(query), try four.route(query))) }
    #expect(try one.scores(Self.queries(Self.int8)) == (try four.scores(Self.queries(Self.int8))))
  }

  /// The child has threads of its own and may change its candidates; the parent's stay.
  @Test func aForkedChildRoutes() throws {
    let router = try Self.int8.router(threads: 3)
    let generation = router.listing.generation
    func works() -> Int32 {
      do {
        let queries = Self.queries(Self.int8)
        let before = try queries.map { try router.route($0) }
        try router.add([router.fixed("new", 9)])
        for query in queries where try router.route(query).name != "new" { return 1 }
        try router.remove(["new"])
        let after = try queries.map { try router.route($0) }
        return zip(before, after).allSatisfy { same($0, $1) } ? 0 : 2
      } catch {
        return 3
      }
    }
    #expect(works() == 0)
    for _ in 0..<3 { #expect(inChild { works() } == 0) }
    #expect(works() == 0)
    #expect(router.listing.generation == generation + 4)
  }

  /// A thread that still routes keeps the router; its memory goes with the last.
  @Test func aRouterGoesWithItsLastUser() throws {
    weak var watched: Router?
    do {
      let router = try Self.int8.router()
      watched = router
      Threads.run(3) { _ in _ = try? router.route(Query(question: "What?")) }
    }
    #expect(watched == nil)
  }
}
