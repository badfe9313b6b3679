import Testing

@testable import ARMS

@Suite struct ReloadTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test(arguments: ModelFixture.all) func decidesAsARouterOfThatFile(_ fixture: ModelFixture) throws {
    let path = directory.path + "/next.gguf"
    let next = try fixture.router()
    try next.save(to: path)
    let router = try paper.router()
    #expect(try router.reload(from: path) == 2)
    #expect(router.candidates == next.candidates)
    let query = Query(question: "What is the highest value?", images: [image(1)])
    #expect(same(try router.route(query), try next.route(query)))
  }

  @Test func keepsCandidatesIfAsked() throws {
    let router = try paper.router()
    try router.add([Candidate(name: "new", profile: "Reads charts.", cost: 2)])
    try router.remove(["large"])
    let before = router.candidates
    try router.reload(from: paper.path, candidates: .present)
    #expect(router.candidates == before)
    try router.reload(from: paper.path)
    #expect(router.candidates.map(\.name) == ["small", "large", "reader"])
  }

  /// A damaged file, cut off anywhere or with damaged weights, changes nothing.
  @Test func aFileThatFailsLeavesTheOldOne() throws {
    let router = try paper.router()
    let query = Query(question: "What?", images: [image(0)])
    let before = try router.route(query)
    func expect(_ code: ARMSError.Code, _ path: String) {
      let error = router.refusal { try $0.reload(from: path) }
      #expect(error?.code == code, "\(path): \(error?.message ?? "no error")")
    }
    expect(.io, directory.path + "/absent.gguf")
    expect(.io, directory.path)
    let whole = try contents(paper.path)
    for tenth in 1..<10 {
      let part = Array(whole[0..<whole.count * tenth / 10])
      expect(.invalidModel, try directory.file("part.gguf", part))
    }
    for name in ["t.blk.0.ffn_up.weight", "v.blk.0.ffn_up.weight", "classifier.query.weight"] {
      let model = try EditedModel(paper, keeping: { $0 != name })
      var values = try model.floats(name)
      values[7] = .nan
      model.add(name, shape: try model.shape(name), values)
      expect(.invalidModel, try model.write(to: directory, "nan.gguf"))
    }
    #expect(same(try router.route(query), before))
  }

  /// The old file may be gone by the time, and is let go.
  @Test func theOldFileIsUnmapped() throws {
    let path = directory.path + "/model.gguf"
    try paper.router().save(to: path)
    let router = try Router(path: path)
    for _ in 0..<5 {
      weak let bytes = router.file.file
      try router.save(to: path)
      try router.reload(from: path)
      #expect(bytes == nil && router.file.file.isMapped)
    }
  }

  /// What a host has encoded keeps no weights alive.
  @Test func encodedQueriesKeepNoWeights() throws {
    let router = try paper.router()
    weak let encoder = router.networks[0].image
    weak let text = router.networks[0].text
    let query = Query(
      try .encoded(router.encode(question: .text("What?"))),
      images: [.encoded(try router.encode(image: image(2)))])
    let expected = try router.route(query)
    try router.reload(from: paper.path)
    #expect(encoder == nil && text == nil)
    #expect(same(try router.route(query), expected))
  }
}
