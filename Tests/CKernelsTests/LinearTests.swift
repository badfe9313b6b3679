import CKernels
import Glibc
import Testing

/// A layer's inputs in the order of the paper's symbols: u8 activations and int8 weights [columns, depth].
private struct Layer {
  var rows: Int
  var depth: Int
  var columns: Int
  var lda: Int
  var inputs: [UInt8]
  let weights: [[Int8]]
  /// The weights as the model file's page says, `[O / 16, I / 4, 64]`.
  let packed: [Int8]
  let columnSums: [Int32]
  var inputScale: [Float]
  var inputZero: [Int32]
  var weightScale: [Float]
  var bias: [Float]?
  var residual: [Float]?

  init(
    rows: Int, depth: Int, columns: Int, bias: Bool = true, residual: Bool = true, seed: UInt64 = 1,
    input: (inout Random) -> UInt8 = { UInt8.random(in: 0...255, using: &$0) },
    weight: (inout Random) -> Int8 = { Int8.random(in: -127...127, using: &$0) }
  ) {
    var random = Random(seed)
    self.rows = rows
    self.depth = depth
    self.columns = columns
    lda = depth + 4
    inputs = (0..<rows * lda).map { _ in input(&random) }
    weights = (0..<columns).map { _ in (0..<depth).map { _ in weight(&random) } }
    packed = Self.pack(weights, depth: depth)
    columnSums = weights.map { $0.reduce(0) { $0 + Int32($1) } }
    inputScale = random.floats(rows, in: 0.001...0.01)
    inputZero = (0..<rows).map { _ in Int32.random(in: 0...255, using: &random) }
    weightScale = random.floats(columns, in: 0.0005...0.002)
    self.bias = bias ? random.floats(columns) : nil
    self.residual = residual ? random.floats(rows * columns) : nil
  }

  private static func pack(_ weights: [[Int8]], depth: Int) -> [Int8] {
    var bytes = [Int8](repeating: 0, count: (weights.count + 15) / 16 * 16 * depth)
    for (c, row) in weights.enumerated() {
      for k in 0..<depth { bytes[c / 16 * 16 * depth + k / 4 * 64 + c % 16 * 4 + k % 4] = row[k] }
    }
    return bytes
  }

  /// sum_k (a - zero) w, exact.
  func sum(_ row: Int, _ column: Int) -> Int {
    (0..<depth).reduce(0) {
      $0 + (Int(inputs[row * lda + $1]) - Int(inputZero[row])) * Int(weights[column][$1])
    }
  }

  func expected(_ row: Int, _ column: Int, _ activation: ck_activation) -> Double {
    let product = Double(sum(row, column)) * Double(inputScale[row]) * Double(weightScale[column])
    let y = activate(product + Double(bias?[column] ?? 0), activation)
    return y + Double(residual?[row * columns + column] ?? 0)
  }

  /// The output [rows, ldo], of which columns outside blocks keep the value 77.
  func run(
    _ isa: ISA, _ activation: ck_activation, ldo: Int? = nil, blocks: Range<Int>? = nil,
    inPlace: Bool = false, withScratch: Bool = true
  ) -> [Float] {
    let ldo = ldo ?? columns
    let blocks = blocks ?? 0..<(columns + 15) / 16
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: isa.kernels.linear_scratch, alignment: 64)
    defer { scratch.deallocate() }
    var out = [Float](repeating: 77, count: rows * ldo)
    if inPlace, let residual {
      for row in 0..<rows {
        let values = residual[row * columns..<(row + 1) * columns]
        out.replaceSubrange(row * ldo..<row * ldo + columns, with: values)
      }
    }
    packed.withUnsafeBufferPointer { packed in
      columnSums.withUnsafeBufferPointer { sums in
        inputs.withUnsafeBufferPointer { inputs in
          inputScale.withUnsafeBufferPointer { inputScale in
            inputZero.withUnsafeBufferPointer { inputZero in
              weightScale.withUnsafeBufferPointer { weightScale in
                (bias ?? []).withUnsafeBufferPointer { bias in
                  (residual ?? []).withUnsafeBufferPointer { residual in
                    out.withUnsafeMutableBufferPointer { out in
                      var args = ck_linear_u8s8(
                        a: inputs.baseAddress, lda: lda, a_scale: inputScale.baseAddress,
                        a_zero: inputZero.baseAddress, rows: rows, depth: depth, w: packed.baseAddress,
                        w_scale: weightScale.baseAddress, w_colsum: sums.baseAddress,
                        bias: self.bias == nil ? nil : bias.baseAddress, block_begin: blocks.lowerBound,
                        block_end: blocks.upperBound, columns: columns, activation: activation,
                        residual: self.residual == nil ? nil : UnsafePointer(residual.baseAddress),
                        ldr: columns, out: out.baseAddress, ldo: ldo, next: nil,
                        scratch: withScratch ? scratch : nil)
                      if inPlace {
                        args.residual = UnsafePointer(out.baseAddress)
                        args.ldr = ldo
                      }
                      isa.kernels.linear_u8s8(&args)
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
    return out
  }

  func allExpected(_ activation: ck_activation) -> [Double] {
    (0..<rows).flatMap { row in (0..<columns).map { expected(row, $0, activation) } }
  }
}

func activate(_ x: Double, _ activation: ck_activation) -> Double {
  switch activation {
  case CK_GELU: x * (1 + erf(x / 2.0.squareRoot())) / 2
  case CK_QUICK_GELU: x / (1 + exp(-1.702 * x))
  default: x
  }
}

@Suite struct LinearTests {
  @Test(arguments: ISA.available)
  func everyTailOfRowsColumnsAndDepth(_ isa: ISA) {
    for (rows, columns) in [(1, 16), (2, 17), (3, 15), (4, 31), (5, 80), (6, 1), (7, 100), (13, 64)] {
      for depth in [4, 8, 60] {
        let layer = Layer(rows: rows, depth: depth, columns: columns)
        #expect(
          largestError(layer.run(isa, CK_IDENTITY), layer.allExpected(CK_IDENTITY)) < 1e-5,
          "\(rows) x \(depth) x \(columns)")
      }
    }
  }

  @Test(arguments: ISA.available, [CK_IDENTITY, CK_GELU, CK_QUICK_GELU])
  func activations(_ isa: ISA, _ activation: ck_activation) {
    let layer = Layer(rows: 7, depth: 64, columns: 70)
    #expect(largestError(layer.run(isa, activation), layer.allExpected(activation)) < 1e-5)
  }

  @Test(arguments: ISA.available)
  func withoutBiasAndResidual(_ isa: ISA) {
    let layer = Layer(rows: 4, depth: 64, columns: 40, bias: false, residual: false)
    #expect(largestError(layer.run(isa, CK_IDENTITY), layer.allExpected(CK_IDENTITY)) < 1e-5)
  }

  /// Extreme values, where 16-bit sums would saturate, at a scale of 1: the output is the integer itself.
  @Test(arguments: ISA.available, [Int8(127), -127])
  func integersAreExact(_ isa: ISA, _ weight: Int8) {
    for zero in [Int32(0), 255] {
      var layer = Layer(
        rows: 7, depth: 512, columns: 96, bias: false, residual: false, input: { _ in 255 },
        weight: { Int8.random(in: 0...3, using: &$0) == 0 ? -weight : weight })
      layer.inputScale = layer.inputScale.map { _ in 1 }
      layer.inputZero = layer.inputZero.map { _ in zero }
      layer.weightScale = layer.weightScale.map { _ in 1 }
      let expected = (0..<7).flatMap { row in (0..<96).map { Float(layer.sum(row, $0)) } }
      #expect(layer.run(isa, CK_IDENTITY) == expected)
    }
  }

  /// More rows, inputs and channels than any kernel takes at a time, none of them a multiple of what it takes: the
  /// integers are the same as those of the scalar kernel.
  @Test(arguments: ISA.available.dropFirst(), [1, 4, 5, 17, 50, 105])
  func integersAreThoseOfTheScalarKernelInEveryCut(_ isa: ISA, _ rows: Int) {
    for depth in [4, 64, 92, 100, 388, 768] {
      var layer = Layer(
        rows: rows, depth: depth, columns: 16 * 9 + 3, bias: false, residual: false,
        input: { Bool.random(using: &$0) ? 255 : UInt8.random(in: 0...255, using: &$0) },
        weight: { Bool.random(using: &$0) ? -128 : Int8.random(in: -128...127, using: &$0) })
      layer.inputScale = layer.inputScale.map { _ in 1 }
      layer.weightScale = layer.weightScale.map { _ in 1 }
      #expect(layer.run(isa, CK_IDENTITY) == layer.run(.scalar, CK_IDENTITY), "\(depth) inputs")
    }
  }

  /// Few and many rows go different ways; what overflows on the way must come back.
  @Test(arguments: ISA.available, [1, 5])
  func deepSumsDoNotOverflow(_ isa: ISA, _ rows: Int) {
    for weight in [Int8(-128), 127] {
      var layer = Layer(
        rows: rows, depth: 65536, columns: 2, bias: false, residual: false, input: { _ in 255 },
        weight: { _ in weight })
      layer.inputScale = [Float](repeating: 1, count: rows)
      layer.inputZero = [Int32](repeating: 0, count: rows)
      layer.weightScale = [1, 1]
      let sum = Float(255 * 65536 * Int(weight))
      #expect(layer.run(isa, CK_IDENTITY) == [Float](repeating: sum, count: 2 * rows))
      layer.inputZero = [Int32](repeating: 255, count: rows)
      #expect(layer.run(isa, CK_IDENTITY) == [Float](repeating: 0, count: 2 * rows))
    }
  }

  /// One row needs no scratch memory.
  @Test(arguments: ISA.available)
  func oneRowWithoutScratch(_ isa: ISA) {
    let layer = Layer(rows: 1, depth: 64, columns: 40)
    #expect(layer.run(isa, CK_GELU, withScratch: false) == layer.run(isa, CK_GELU))
  }

  @Test(arguments: ISA.available, [32, 64])
  func writesOnlyItsBlocks(_ isa: ISA, _ depth: Int) {
    let layer = Layer(rows: 18, depth: depth, columns: 150)
    let whole = layer.run(isa, CK_IDENTITY)
    for blocks in [2..<8, 3..<8, 9..<10] {
      let part = layer.run(isa, CK_IDENTITY, ldo: 160, blocks: blocks)
      let columns = 16 * blocks.lowerBound..<min(150, 16 * blocks.upperBound)
      for row in 0..<18 {
        for c in 0..<160 {
          let expected = columns.contains(c) ? whole[row * 150 + c] : 77
          #expect(part[row * 160 + c] == expected)
        }
      }
    }
    #expect(layer.run(isa, CK_IDENTITY, blocks: 0..<100) == whole)
    #expect(layer.run(isa, CK_IDENTITY, blocks: 3..<3).allSatisfy { $0 == 77 })
  }

  /// No row is written twice: its residual would be added twice.
  @Test(arguments: ISA.available, [(7, 32), (35, 64)])
  func residualMayBeTheOutput(_ isa: ISA, _ size: (rows: Int, depth: Int)) {
    let layer = Layer(rows: size.rows, depth: size.depth, columns: 70)
    let out = layer.run(isa, CK_GELU, inPlace: true)
    #expect(out == layer.run(isa, CK_GELU))
    #expect(largestError(out, layer.allExpected(CK_GELU)) < 1e-5)
  }

  @Test(arguments: ISA.available)
  func noRows(_ isa: ISA) {
    let layer = Layer(rows: 0, depth: 32, columns: 70)
    #expect(layer.run(isa, CK_GELU).isEmpty)
  }

  @Test(arguments: ISA.available)
  func aRowDoesNotDependOnItsNeighbours(_ isa: ISA) {
    var layer = Layer(rows: 11, depth: 64, columns: 70)
    let whole = layer.run(isa, CK_GELU)
    layer.rows = 1
    #expect(layer.run(isa, CK_GELU) == Array(whole.prefix(70)))
  }
}
