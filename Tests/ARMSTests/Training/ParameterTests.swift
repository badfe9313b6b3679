import Testing

@testable import ARMS

@Suite struct ParameterTests {
  /// A matrix `[rows, columns]` in int8, whose input is multiplied by `smooth` before it is quantised.
  static func withInt8<R>(
    _ values: [Float], rows: Int, columns: Int, smooth: [Float]?, _ body: (Int8Weight) throws -> R
  ) throws -> R {
    let matrix = try QuantizedMatrix(values, rows: rows, columns: columns)
    let packed = try matrix.packed()
    return try withExtendedLifetime((matrix, packed)) {
      try (smooth ?? []).withUnsafeBufferPointer { factors in
        try body(
          Int8Weight(
            packed: packed.blocks.pointer(to: Int8.self), scale: matrix.scale.pointer(to: Float.self),
            columnSum: packed.columnSums.pointer(to: Int32.self),
            smooth: smooth == nil ? nil : factors.baseAddress, depth: 4 * packed.shape[1],
            blocks: packed.shape[0]))
      }
    }
  }

  /// Values of a parameter in float.
  static func values(_ parameter: Parameter) -> [Float] {
    [Float](unsafeUninitializedCapacity: parameter.count) { buffer, count in
      if let start = buffer.baseAddress { parameter.copy(into: start) }
      count = parameter.count
    }
  }

  static func random(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
  }

  @Test(arguments: [(1, 1), (16, 4), (17, 5), (40, 30)])
  func decodesMatrices(_ rows: Int, _ columns: Int) throws {
    let weights = Self.random(rows * columns, seed: 1)
    let smooth = Self.random(columns, seed: 2).map { 1.5 + $0 }
    // The file holds the weights divided by the smoothing.
    let stored = weights.indices.map { weights[$0] / smooth[$0 % columns] }
    let decoded = try Self.withInt8(stored, rows: rows, columns: columns, smooth: smooth) {
      Self.values(Parameter(name: "w", shape: [rows, columns], source: .int8($0)))
    }
    for row in 0..<rows {
      let largest = (0..<columns).reduce(0) { max($0, abs(stored[row * columns + $1])) }
      for column in 0..<columns {
        let place = row * columns + column
        #expect(abs(decoded[place] - weights[place]) <= smooth[column] * largest / 127 * 0.501)
      }
    }
  }

  @Test func decodesKeyMatrices() throws {
    let (heads, width, columns) = (2, 3, 16)
    let rows = heads * width
    let weights = Self.random(rows * columns, seed: 3)
    let smooth: [Float] = [0.5, 1, 2]
    // Rows j d_p ... of the file are W_K[j] transposed.
    var stored = weights
    for row in 0..<rows {
      for column in 0..<columns {
        stored[(row / width * columns + column) * width + row % width] =
          weights[row * columns + column] / smooth[row % width]
      }
    }
    let decoded = try Self.withInt8(stored, rows: heads * columns, columns: width, smooth: smooth) {
      Self.values(Parameter(name: "k", shape: [rows, columns], source: .int8Key($0, heads: heads)))
    }
    #expect(distance(decoded, weights) <= 4 * 0.501 / 127 * 2)
  }

  @Test func quantizesWhatHasNoScale() throws {
    let rows: [Float] = [0, 0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 127, -127]
    let matrix = try QuantizedMatrix(rows, rows: 3, columns: 2)
    let scale = matrix.scale.pointer(to: Float.self)
    #expect((0..<4).map { scale[$0] } == [0, 0, 1, 0])
    let values = matrix.values.pointer(to: Int8.self)
    #expect((0..<6).map { values[$0] } == [0, 0, 0, 0, 127, -127])
  }

  @Test func parametersDoNotOverlap() throws {
    let trainer = try Trainer(try ModelFixture.named("bert-patches-paper.gguf").router())
    var end = 0
    for entry in trainer.parameters.entries {
      #expect(entry.offset % 16 == 0 && entry.offset >= end)
      end = entry.offset + entry.parameter.count
      #expect(entry.parameter.decays == (entry.parameter.rows > 1))
    }
    #expect(end <= trainer.parameters.count)
  }
}
