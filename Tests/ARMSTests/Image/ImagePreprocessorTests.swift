import Testing

@testable import ARMS

@Suite struct ImagePreprocessorTests {
  @Test func everyFixtureGivesPillowsBits() throws {
    let expectations = try ImageFixtures.expectations()
    #expect(expectations.count > 60)
    for expectation in expectations {
      let preprocessor = ImageFixtures.preprocessor(expectation.resizeSize, expectation.cropSize)
      let levels = try ImageFixtures.levels(.path(ImageFixtures.path(expectation.name)), preprocessor)
      #expect(levels == expectation.levels, "\(expectation.testDescription)")
    }
  }

  @Test func normalizesEachChannel() throws {
    let preprocessor = ImagePreprocessor(
      resizeSize: 1, cropSize: 1, mean: [0.5, 0.25, 0], std: [0.5, 0.25, 2])
    var pixels: [Float] = [0, 0, 0]
    let rgb: [UInt8] = [0, 255, 51]
    try rgb.withUnsafeBytes {
      try preprocessor.prepare(
        ImageInput(.rgb8($0, width: 1, height: 1, stride: 0)), limits: ImageFixtures.limits, into: &pixels,
        in: ScratchArena())
    }
    #expect(pixels == [-1, 3, 0.1])
  }

  @Test func decodesALargeJPEGAtAReducedScale() throws {
    let bytes = try ImageFixtures.bytes("jpeg_large.jpg")
    try bytes.withUnsafeBytes { data in
      var decoder = try ImageDecoder(data, name: "image", limits: ImageFixtures.limits)
      #expect((decoder.width, decoder.height) == (300, 200))
      try decoder.start(shortest: 48)
      #expect((decoder.width, decoder.height) == (75, 50))
    }
    let preprocessor = ImageFixtures.preprocessor(24, 24)
    let exact = try ImageFixtures.levels(encoded: bytes, exact: true, preprocessor)
    let reduced = try ImageFixtures.levels(encoded: bytes, exact: false, preprocessor)
    let differences = zip(exact, reduced).map { abs(Int($0) - Int($1)) }
    #expect(exact != reduced)
    #expect(differences.reduce(0, +) < 2 * differences.count)
  }

  @Test(
    arguments: ["jpeg_large.jpg", "jpeg_411.jpg", "jpeg_410.jpg", "jpeg_unfinished.jpg"], [200, 100, 50])
  func narrowedRowsHoldThePixelsOfWholeRows(name: String, shortest: Int) throws {
    try ImageFixtures.bytes(name).withUnsafeBytes { data in
      var whole = try ImageDecoder(data, name: "image", limits: ImageFixtures.limits)
      var narrow = try ImageDecoder(data, name: "image", limits: ImageFixtures.limits)
      try whole.start(shortest: shortest)
      try narrow.start(shortest: shortest)
      let columns = whole.width / 2 - 5..<whole.width / 2 + 5
      let first = try narrow.narrow(to: columns)
      #expect(first <= columns.lowerBound && first + narrow.width >= columns.upperBound)
      // What libjpeg does not narrow right stays whole.
      #expect((narrow.width < whole.width) != (name == "jpeg_410.jpg" && shortest < 200))
      var wholeRow = [UInt8](repeating: 0, count: 3 * whole.width)
      var narrowRow = [UInt8](repeating: 0, count: 3 * narrow.width)
      for row in 0..<whole.height {
        try whole.read(1, into: &wholeRow, stride: 0)
        try narrow.read(1, into: &narrowRow, stride: 0)
        let wanted = wholeRow[3 * columns.lowerBound..<3 * columns.upperBound]
        let found = narrowRow[3 * (columns.lowerBound - first)..<3 * (columns.upperBound - first)]
        #expect(wanted.elementsEqual(found), "row \(row)")
      }
    }
  }

  @Test func aSmallJPEGIsDecodedAtFullSizeAnyway() throws {
    let bytes = try ImageFixtures.bytes("jpeg_420.jpg")
    #expect(
      try ImageFixtures.levels(encoded: bytes, exact: true)
        == ImageFixtures.levels(encoded: bytes, exact: false))
  }

  @Test func rawPixelsGiveWhatAFileOfThemGives() throws {
    // Gray 3 x 2 in rows of 5 bytes, and the same as RGB and RGBA.
    let gray: [UInt8] = [10, 200, 30, 99, 99, 40, 0, 255]
    let samples: [UInt8] = [10, 200, 30, 40, 0, 255]
    let expected = try gray.withUnsafeBytes {
      try ImageFixtures.levels(.gray8($0, width: 3, height: 2, stride: 5))
    }
    let tight = try samples.withUnsafeBytes {
      try ImageFixtures.levels(.gray8($0, width: 3, height: 2, stride: 0))
    }
    let rgbSamples: [UInt8] = samples.flatMap { [$0, $0, $0] }
    let rgb = try rgbSamples.withUnsafeBytes {
      try ImageFixtures.levels(.rgb8($0, width: 3, height: 2, stride: 9))
    }
    let rgbaSamples: [UInt8] = samples.flatMap { [$0, $0, $0, 7] }
    let rgba = try rgbaSamples.withUnsafeBytes {
      try ImageFixtures.levels(.rgba8($0, width: 3, height: 2, stride: 0))
    }
    #expect(tight == expected)
    #expect(rgb == expected)
    #expect(rgba == expected)
  }

  @Test(arguments: [
    (0, 2, 0), (3, 0, 0), (-3, 2, 0), (3, 2, 8), (3, 2, -9), (3, 3, 0), (3, 2, 10), (Int.max, 1, 0),
    (2, 2, Int.max),
  ])
  func refusesRawPixelsThatDoNotFit(width: Int, height: Int, stride: Int) {
    let bytes = [UInt8](repeating: 1, count: 18)
    let unlimited = ImageLimits(maxBytes: .max, maxPixels: .max)
    #expect(throws: ARMSError.self) {
      try bytes.withUnsafeBytes {
        try ImageFixtures.levels(.rgb8($0, width: width, height: height, stride: stride), limits: unlimited)
      }
    }
  }

  @Test func copiesPreparedPixelsThatAreFinite() throws {
    let preprocessor = ImageFixtures.preprocessor(2, 2)
    let values = (0..<12).map(Float.init)
    var pixels = [Float](repeating: 0, count: 12)
    try values.withUnsafeBufferPointer {
      try preprocessor.prepare(
        ImageInput(.prepared($0)), limits: ImageFixtures.limits, into: &pixels, in: ScratchArena())
    }
    #expect(pixels == values)
  }

  @Test func refusesPreparedPixelsOfAnotherSizeOrNotFinite() throws {
    func code(_ values: [Float]) -> ARMSError.Code? {
      var pixels = [Float](repeating: 0, count: 12)
      do {
        try values.withUnsafeBufferPointer {
          try ImageFixtures.preprocessor(2, 2).prepare(
            ImageInput(.prepared($0)), limits: ImageFixtures.limits, into: &pixels, in: ScratchArena())
        }
        return nil
      } catch { return (error as? ARMSError)?.code }
    }
    #expect(code([Float](repeating: 0, count: 11)) == .invalidArgument)
    #expect(code([]) == .invalidArgument)
    #expect(code([Float](repeating: 0, count: 11) + [.nan]) == .notFinite)
    #expect(code([Float](repeating: 0, count: 11) + [-.infinity]) == .notFinite)
  }

  /// A crop larger than what the shorter side is resized to would have to be padded, which nothing does.
  @Test func refusesAModelFileWhoseCropIsLargerThanTheImage() throws {
    let directory = try TemporaryDirectory()
    let model = try EditedModel(paper)
    model.set("arms.vision.resize_size", .uint32(31))
    let error = failure { try Router(path: try model.write(to: directory)) }
    #expect(error?.code == .invalidModel)
    #expect(error?.message.contains("resize_size 31 is smaller than its image size 32") == true)
  }

  @Test func refusesAPreprocessorThatCannotBe() {
    let pixel: [UInt8] = [1]
    for (resize, crop) in [(0, 1), (1, 0), (-1, 1), (Int.max, 1), (1, Int.max), (6, 7)] {
      let preprocessor = ImagePreprocessor(
        resizeSize: resize, cropSize: crop, mean: [0, 0, 0], std: [1, 1, 1])
      var pixels: Float = 0
      #expect(throws: ARMSError.self) {
        try pixel.withUnsafeBytes {
          try preprocessor.prepare(
            ImageInput(.gray8($0, width: 1, height: 1, stride: 0)), limits: ImageFixtures.limits,
            into: &pixels, in: ScratchArena())
        }
      }
    }
  }
}
