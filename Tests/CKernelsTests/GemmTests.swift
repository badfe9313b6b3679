import CKernels
import Testing

@Suite struct GemmTests {
  /// The nearest bfloat16, of two the even one.
  static func rounded(_ x: Float) -> Double {
    let bits = x.bitPattern
    return Double(Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000))
  }

  /// A matrix of `rows` by `columns`, as stored: `stride` apart, and with its transpose if it is transposed.
  struct Operand {
    let values: [Float]
    let stride: Int
    let isTransposed: Bool

    init(_ values: [Float], stride: Int, transposed: Bool = false) {
      self.values = values
      self.stride = stride
      isTransposed = transposed
    }

    init(rows: Int, columns: Int, transposed: Bool, _ random: inout Random) {
      stride = (transposed ? rows : columns) + 3
      // Nothing behind the last number, so that a sanitizer sees who reads it.
      let (lines, width) = transposed ? (columns, rows) : (rows, columns)
      values = random.floats(max(0, (lines - 1) * stride + width))
      isTransposed = transposed
    }

    subscript(row: Int, column: Int) -> Float {
      values[isTransposed ? column * stride + row : row * stride + column]
    }
  }

  /// `out[rows, columns] = a b`, rows `columns + 1` apart, added to what `out` holds if `accumulates`.
  static func multiply(
    _ isa: ISA, _ a: Operand, _ b: Operand, rows: Int, columns: Int, depth: Int, accumulates: Bool,
    out: inout [Float]
  ) {
    withUnsafeTemporaryAllocation(byteCount: ck_gemm_scratch, alignment: 64) { scratch in
      // What a kernel has not packed is no number.
      scratch.initializeMemory(as: UInt8.self, repeating: 0xff)
      out.withUnsafeMutableBufferPointer { out in
        a.values.withUnsafeBufferPointer { left in
          b.values.withUnsafeBufferPointer { right in
            var arguments = ck_gemm(
              a: left.baseAddress, lda: a.stride, transpose_a: a.isTransposed ? 1 : 0, b: right.baseAddress,
              ldb: b.stride, transpose_b: b.isTransposed ? 1 : 0, rows: rows, columns: columns, depth: depth,
              accumulates: accumulates ? 1 : 0, out: out.baseAddress, ldo: columns + 1,
              scratch: scratch.baseAddress)
            isa.kernels.gemm_bf16(&arguments)
          }
        }
      }
    }
  }

  /// Rows, columns and depth: none; parts of a tile; more than the rows, the columns and the depth of a block.
  @Test(
    arguments: ISA.available,
    [
      (0, 3, 5), (3, 0, 5), (4, 5, 0), (1, 1, 1), (5, 47, 2), (18, 97, 7), (131, 50, 3), (3, 17, 531),
      (530, 33, 40),
    ] as [(Int, Int, Int)])
  func productsAreThoseOfRoundedOperands(_ isa: ISA, _ size: (Int, Int, Int)) {
    var random = Random(11)
    let (rows, columns, depth) = size
    for how in 0..<8 {
      let a = Operand(rows: rows, columns: depth, transposed: how & 1 != 0, &random)
      let b = Operand(rows: depth, columns: columns, transposed: how & 2 != 0, &random)
      let accumulates = how & 4 != 0
      let before = random.floats(rows * (columns + 1))
      var out = before
      Self.multiply(
        isa, a, b, rows: rows, columns: columns, depth: depth, accumulates: accumulates, out: &out)
      let left = (0..<rows * depth).map { Self.rounded(a[$0 / depth, $0 % depth]) }
      let right = (0..<columns * depth).map { Self.rounded(b[$0 % depth, $0 / depth]) }
      let expected = out.indices.map { place -> Double in
        let (row, column) = (place / (columns + 1), place % (columns + 1))
        guard column < columns else { return Double(before[place]) }
        return (0..<depth).reduce(accumulates ? Double(before[place]) : 0) {
          $0 + left[row * depth + $1] * right[column * depth + $1]
        }
      }
      #expect(largestError(out, expected) <= 1.2e-7 * Double(depth + 1))
      #expect(
        (0..<rows).allSatisfy { out[$0 * (columns + 1) + columns] == before[$0 * (columns + 1) + columns] })
    }
  }

  /// One number by 1: halfway between two, of which the even one is nearer to 0 or farther; just beyond halfway; the
  /// largest; infinity; the smallest normal one.
  @Test(
    arguments: ISA.available,
    [
      (0x3f80_8000, 0x3f80_0000), (0x3f81_8000, 0x3f82_0000), (0xbf80_8001, 0xbf81_0000),
      (0x7f7f_ffff, 0x7f80_0000), (0xff80_0000, 0xff80_0000), (0x0080_0000, 0x0080_0000),
    ] as [(UInt32, UInt32)])
  func roundsToNearestEven(_ isa: ISA, _ pair: (UInt32, UInt32)) {
    var out: [Float] = [0, 0]
    Self.multiply(
      isa, Operand([Float(bitPattern: pair.0)], stride: 1), Operand([1], stride: 1), rows: 1, columns: 1,
      depth: 1,
      accumulates: false, out: &out)
    #expect(out[0] == Float(bitPattern: pair.1))
  }

  /// Also one whose payload is in the half that is cut off.
  @Test(arguments: ISA.available, [0x7f80_0001, 0xff80_ffff, 0x7fc0_0000, 0x7fff_ffff] as [UInt32])
  func whatIsNoNumberStaysNone(_ isa: ISA, _ bits: UInt32) {
    let values: [Float] = [1, Float(bitPattern: bits), 3]
    for (a, b) in [(values, [1, 1, 1]), ([1, 1, 1], values)] {
      var out: [Float] = [0, 0]
      Self.multiply(
        isa, Operand(a, stride: 3), Operand(b, stride: 1), rows: 1, columns: 1, depth: 3, accumulates: false,
        out: &out)
      #expect(out[0].isNaN)
    }
  }
}
