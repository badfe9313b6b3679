import Glibc
import Testing

@testable import ARMS

@Suite struct DataSetTests {
  private static func sample(
    _ question: String = "What is it?", images: [Sample.Image] = [], outcomes: [Outcome]
  ) -> Sample {
    Sample(question: question, images: images, outcomes: outcomes)
  }

  private static func gray(
    _ pixels: [UInt8], width: Int = 2, height: Int = 2, stride: Int = 0, exact: Bool = false
  ) throws -> Sample.Image {
    try pixels.withUnsafeBytes {
      try Sample.Image(
        copying: ImageInput(.gray8($0, width: width, height: height, stride: stride), exact: exact))
    }
  }

  private static func path(_ path: String) throws -> Sample.Image {
    try Sample.Image(copying: ImageInput(.path(path)))
  }

  @Test func rowsOfOneQueryAreJoined() throws {
    let data = DataSet()
    #expect(try data.count == 0 && data.outcomeCount == 0 && data.samples.isEmpty)
    let (one, same, other) = (
      try Self.gray([1, 2, 3, 4]), try Self.gray([1, 2, 3, 4]), try Self.gray([1, 2, 3, 5])
    )
    try data.append([
      Self.sample(images: [one], outcomes: [Outcome(candidate: "a", label: 1, weight: 2, cost: 0.25)]),
      Self.sample(images: [other], outcomes: [Outcome(candidate: "a", label: 0)]),
      Self.sample(images: [same], outcomes: [Outcome(candidate: "b", label: 0)]),
    ])
    try data.append([Self.sample(images: [same], outcomes: [Outcome(candidate: "c", label: 1)])])
    try data.append([Self.sample(outcomes: [Outcome(candidate: "a", label: 1)])])
    try data.append([])
    #expect(data.count == 3)
    #expect(data.outcomeCount == 5)
    let joined = try data.samples
    #expect(
      joined[0].outcomes == [
        Outcome(candidate: "a", label: 1, weight: 2, cost: 0.25), Outcome(candidate: "b", label: 0),
        Outcome(candidate: "c", label: 1),
      ])
    #expect(joined[1].outcomes == [Outcome(candidate: "a", label: 0)])
    #expect(joined[2].images.isEmpty)
  }

  @Test func anImageOfManyQueriesIsKeptOnce() throws {
    let data = DataSet()
    for question in ["", "one", "two"] {
      let image = try Self.gray([1, 2, 3, 4])
      try data.append([
        Self.sample(question, images: [image, image], outcomes: [Outcome(candidate: "a", label: 1)])
      ])
    }
    #expect(data.count == 3)
    #expect(try Set(data.samples.flatMap(\.images).map { ObjectIdentifier($0) }).count == 1)
    #expect(try data.memory.samples == 4 + 6 + 3 * MemoryLayout<Outcome>.stride)
    #expect(try data.memory.features == 0)
  }

  /// They look the same and are equal as strings, but a tokenizer may tell them apart.
  @Test func anotherSpellingInUnicodeIsAnotherQuestion() throws {
    let data = DataSet()
    try data.append([
      Self.sample("caf\u{E9}", outcomes: [Outcome(candidate: "a", label: 1)]),
      Self.sample("cafe\u{301}", outcomes: [Outcome(candidate: "a", label: 0)]),
    ])
    #expect(data.count == 2)
  }

  @Test func whatAnImageIsGivenAsCounts() throws {
    let pixels: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    let images = try pixels.withUnsafeBytes { bytes in
      try [
        ImageInput.Source.gray8(bytes, width: 4, height: 3, stride: 0),
        .gray8(bytes, width: 3, height: 4, stride: 0), .rgb8(bytes, width: 2, height: 2, stride: 0),
        .rgba8(bytes, width: 3, height: 1, stride: 0), .path("a"), .path("b"),
      ].map { try Sample.Image(copying: ImageInput($0)) }
    }
    let exact = try Self.gray(pixels, width: 4, height: 3, exact: true)
    #expect(Set(images + [exact]).count == 7)
    #expect(try images.contains(Self.path("b")))
    let data = DataSet()
    for image in images + [exact] {
      try data.append([Self.sample(images: [image], outcomes: [Outcome(candidate: "a", label: 1)])])
    }
    #expect(data.count == 7)
  }

  @Test func bytesAreCopiedAndStrideIsDropped() throws {
    var padded: [UInt8] = [1, 2, 90, 91, 92, 3, 4, 93, 94, 95, 5, 6]
    let image = try Self.gray(padded, height: 3, stride: 5)
    for index in padded.indices { padded[index] = 0 }
    #expect(try image == Self.gray([1, 2, 3, 4, 5, 6], height: 3))
    guard case .gray8(let bytes, 2, 3, 0) = image.input.source else {
      Issue.record("the image is \(image.input.source)")
      return
    }
    #expect(Array(bytes) == [1, 2, 3, 4, 5, 6])
    extendLifetime(image)
  }

  /// What the data set holds is encoded as what the caller had.
  @Test func aCopyIsTheSameImage() throws {
    let router = try paper.router()
    let jpeg = try ImageFixtures.bytes("jpeg_420.jpg")
    let pixels = (0..<40 * 30 * 4).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let floats = (0..<router.preparedCount).map { Float($0 % 17) / 8 - 1 }
    func check(_ input: ImageInput) throws {
      let copy = try Sample.Image(copying: input)
      #expect(try router.encode(image: input).embedding == router.encode(image: copy.input).embedding)
      extendLifetime(copy)
    }
    try check(ImageInput(.path(ImageFixtures.path("jpeg_420.jpg"))))
    try jpeg.withUnsafeBytes { try check(ImageInput(.encoded($0), exact: true)) }
    try pixels.withUnsafeBytes {
      try check(ImageInput(.rgba8($0, width: 37, height: 30, stride: 160)))
      try check(ImageInput(.rgb8($0, width: 53, height: 30, stride: 160)))
      try check(ImageInput(.gray8($0, width: 120, height: 40, stride: 120)))
    }
    try floats.withUnsafeBufferPointer { try check(ImageInput(.prepared($0))) }
  }

  @Test func impossibleOutcomesAreRefusedAndNothingIsAppended() throws {
    let data = DataSet()
    let good = Self.sample("good", outcomes: [Outcome(candidate: "a", label: 1)])
    func expect(_ code: ARMSError.Code, _ text: String, _ bad: Sample) {
      do throws(ARMSError) {
        try data.append([good, bad])
        Issue.record("\(bad.outcomes) was accepted")
      } catch {
        #expect(error.code == code && error.message.contains(text), "\(error)")
      }
      #expect(data.count == 0 && data.outcomeCount == 0)
    }
    func outcome(_ change: (inout Outcome) -> Void) -> Sample {
      var outcome = Outcome(candidate: "a", label: 1)
      change(&outcome)
      return Self.sample("bad", outcomes: [Outcome(candidate: "b", label: 0), outcome])
    }
    expect(.invalidArgument, "samples[1] has no outcomes", Self.sample(outcomes: []))
    expect(.invalidArgument, "samples[1].outcomes[1].candidate", outcome { $0.candidate = "" })
    expect(.invalidArgument, "control", outcome { $0.candidate = "a\u{0}" })
    expect(
      .invalidArgument, "has 96 bytes; 1 to 95", outcome { $0.candidate = String(repeating: "x", count: 96) })
    for label in [-1, 0.5, 2, Float.nan, .infinity] {
      expect(.invalidArgument, "samples[1].outcomes[1].label is \(label)", outcome { $0.label = label })
    }
    for weight in [Float.nan, .infinity] {
      expect(.notFinite, "samples[1].outcomes[1].weight is \(weight)", outcome { $0.weight = weight })
    }
    for weight in [Float(0), -1, 9e-19, 1.1e18] {
      expect(.invalidArgument, "weight is \(weight)", outcome { $0.weight = weight })
    }
    expect(.notFinite, "samples[1].outcomes[1].cost is nan", outcome { $0.cost = .nan })
    expect(.invalidArgument, "cost is -0.5", outcome { $0.cost = -0.5 })
    expect(.alreadyExists, "samples[1].outcomes[1] is the second of \"b\"", outcome { $0.candidate = "b" })
    expect(.alreadyExists, "samples[1].outcomes[0] is the second of \"a\"", good)
  }

  @Test func aSecondOutcomeOfACandidateIsRefused() throws {
    let data = DataSet()
    try data.append([Self.sample(outcomes: [Outcome(candidate: "caf\u{E9}", label: 1)])])
    let error = #expect(throws: ARMSError.self) {
      try data.append([
        Self.sample("new", outcomes: [Outcome(candidate: "a", label: 1)]),
        // A router takes both spellings for one candidate.
        Self.sample(outcomes: [Outcome(candidate: "cafe\u{301}", label: 1)]),
      ])
    }
    #expect(error?.code == .alreadyExists)
    #expect(data.count == 1 && data.outcomeCount == 1)
  }

  @Test func impossibleImagesAreRefused() throws {
    let memory = [UInt8](repeating: 0, count: 12)
    func expect(_ code: ARMSError.Code, _ source: ImageInput.Source) {
      let error = #expect(throws: ARMSError.self) {
        try Sample(question: "", copying: [ImageInput(.path("a")), ImageInput(source)], outcomes: [])
      }
      #expect(
        error?.code == code && error?.message.hasPrefix("images[1]: ") == true, "\(String(describing: error))"
      )
    }
    expect(.invalidArgument, .path(""))
    expect(.invalidArgument, .path("a\u{0}b"))
    expect(.invalidImage, .encoded(UnsafeRawBufferPointer(start: nil, count: 0)))
    memory.withUnsafeBytes { bytes in
      expect(.invalidImage, .encoded(bytes))
      expect(.invalidArgument, .gray8(bytes, width: 13, height: 1, stride: 0))
      expect(.invalidArgument, .rgb8(bytes, width: 2, height: 2, stride: 5))
      expect(.invalidArgument, .rgb8(bytes, width: 2, height: 2, stride: -6))
      expect(.invalidArgument, .rgba8(bytes, width: 0, height: 1, stride: 0))
      expect(.limitExceeded, .rgba8(bytes, width: .max, height: .max, stride: 0))
      expect(.invalidArgument, .gray8(bytes, width: 1, height: .max, stride: .max))
    }
    [1, Float.nan].withUnsafeBufferPointer { expect(.notFinite, .prepared($0)) }
    [1, -1.1e6].withUnsafeBufferPointer { expect(.invalidArgument, .prepared($0)) }
  }

  @Test func threadsAppendAndReadAtOnce() throws {
    let data = DataSet()
    let wrong = Counter()
    let image = try Self.gray([1, 2, 3, 4])
    Threads.run(4) { thread in
      for number in 0..<200 {
        let outcomes = [Outcome(candidate: "candidate \(thread)", label: 1)]
        do {
          try data.append([
            Sample(question: "\(number)", images: number % 2 == 0 ? [image] : [], outcomes: outcomes)
          ])
        } catch { wrong.add() }
        let samples = (try? data.samples) ?? []
        if samples.count > 200 || samples.contains(where: \.outcomes.isEmpty) { wrong.add() }
      }
    }
    #expect(wrong.value == 0)
    #expect(data.count == 200 && data.outcomeCount == 800)
  }

  /// Nothing of what a lost thread left half changed is touched.
  @Test func aChildOfAForkTakesItsCopyOn() throws {
    let data = DataSet()
    try data.append([Self.sample(outcomes: [Outcome(candidate: "a", label: 1)])])
    #expect(data.count == 1 && data.outcomeCount == 1)
    let status = inChild {
      do {
        try data.append([Self.sample(outcomes: [Outcome(candidate: "b", label: 1)])])
      } catch { return 1 }
      return data.count == 1 && data.outcomeCount == 2 ? 0 : 2
    }
    #expect(status == 0)
    #expect(data.outcomeCount == 1)
  }

  /// What a thread that did not survive a fork left half changed is not read as empty.
  @Test func aDataSetThatAForkLostSaysSo() throws {
    let data = DataSet()
    let done = Counter()
    let questions = (0..<2_000).map { "question \($0)" }
    let appending = Threads(1) { _ in
      var round = 0
      while done.value == 0 {
        round += 1
        let outcomes = [Outcome(candidate: "candidate \(round)", label: 1)]
        try? data.append(questions.map { Sample(question: $0, outcomes: outcomes) })
      }
    }
    defer {
      done.add()
      appending.join()
    }
    while data.count == 0 { sched_yield() }
    let statuses = (0..<40).map { _ in
      inChild {
        let failures = [
          failure { _ = try data.samples }, failure { _ = try data.counts }, failure { _ = try data.memory },
          failure { try data.append([]) },
        ].map { $0?.code }
        if failures.allSatisfy({ $0 == .unsupported }) { return data.count == 0 ? 1 : 2 }
        return failures.allSatisfy({ $0 == nil }) ? 0 : 3
      }
    }
    #expect(statuses.allSatisfy { $0 == 0 || $0 == 1 } && statuses.contains(1), "\(statuses)")
  }
}
