import Testing

@testable import ARMS

/// The files of Tests/Fixtures/images, and helpers to prepare them.
enum ImageFixtures {
  /// A fixture with what Pillow and CLIP's preprocessing make of it.
  struct Expectation: Sendable, CustomTestStringConvertible {
    let name: String
    let resizeSize: Int
    let cropSize: Int
    /// [3, cropSize, cropSize]
    let levels: [UInt8]

    var testDescription: String { "\(name) \(resizeSize) \(cropSize)" }
  }

  static let limits = ImageLimits(maxBytes: 1 << 20, maxPixels: 1 << 24)

  static func path(_ name: String) -> String {
    let tests = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(tests)/Fixtures/images/\(name)"
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    let file = try ImageFile.read(path(name), limits: limits)
    defer { extendLifetime(file) }
    return Array(file.bytes)
  }

  static func expectations() throws -> [Expectation] {
    let lines = try String(decoding: bytes("expected.txt"), as: UTF8.self).split(separator: "\n")
    return try lines.map { line in
      let fields = line.split(separator: " ")
      let hex = Array(fields[3].utf8)
      let levels = try stride(from: 0, to: hex.count, by: 2).map {
        try #require(UInt8(String(decoding: hex[$0..<$0 + 2], as: UTF8.self), radix: 16))
      }
      return Expectation(
        name: String(fields[0]), resizeSize: try #require(Int(fields[1])),
        cropSize: try #require(Int(fields[2])),
        levels: levels)
    }
  }

  /// A preprocessor whose pixels are the levels over 255.
  static func preprocessor(_ resizeSize: Int = 12, _ cropSize: Int = 6) -> ImagePreprocessor {
    ImagePreprocessor(resizeSize: resizeSize, cropSize: cropSize, mean: [0, 0, 0], std: [1, 1, 1])
  }

  /// The 8-bit levels of a source.
  static func levels(
    _ source: ImageInput.Source, exact: Bool = true, limits: ImageLimits = limits,
    _ preprocessor: ImagePreprocessor = preprocessor()
  ) throws(ARMSError) -> [UInt8] {
    let count = 3 * preprocessor.cropSize * preprocessor.cropSize
    var pixels = [Float](repeating: .nan, count: count)
    try preprocessor.prepare(
      ImageInput(source, exact: exact), limits: limits, into: &pixels, in: ScratchArena())
    return pixels.map { UInt8(($0 * 255).rounded()) }
  }

  /// The 8-bit levels of encoded bytes.
  static func levels(
    encoded bytes: [UInt8], exact: Bool = true, limits: ImageLimits = limits,
    _ preprocessor: ImagePreprocessor = preprocessor()
  ) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try levels(.encoded($0), exact: exact, limits: limits, preprocessor) }
  }

  /// The error that preparing encoded bytes throws.
  static func error(encoded bytes: [UInt8], limits: ImageLimits = limits) -> ARMSError? {
    do {
      _ = try levels(encoded: bytes, limits: limits)
      return nil
    } catch {
      return error as? ARMSError
    }
  }
}
