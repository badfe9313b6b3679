import CKernels
import Glibc
import Testing

@Suite struct QuantizeTests {
  /// Quantises [rows, columns] into rows of ldq.
  static func quantize(
    _ isa: ISA, _ x: [Float], rows: Int, columns: Int, smooth: [Float]? = nil, ldq: Int
  ) -> (codes: [UInt8], scale: [Float], zero: [Int32]) {
    var codes = [UInt8](repeating: 99, count: rows * ldq)
    var scale = [Float](repeating: -1, count: rows)
    var zero = [Int32](repeating: -1, count: rows)
    if let smooth {
      isa.kernels.quantize_rows(x, columns, rows, columns, smooth, &codes, ldq, &scale, &zero)
    } else {
      isa.kernels.quantize_rows(x, columns, rows, columns, nil, &codes, ldq, &scale, &zero)
    }
    return (codes, scale, zero)
  }

  @Test(arguments: ISA.available, [1, 7, 16, 33, 100])
  func codesAreWithinHalfAStepAndEqualOnEveryISA(_ isa: ISA, _ columns: Int) {
    var random = Random(3)
    let rows = 5
    let ldq = columns + 4
    let ranges: [ClosedRange<Float>] = [-1...1, 2...5, -9 ... -1, -1e-3...1e3, -3e37...3e37]
    let x = ranges.flatMap { random.floats(columns, in: $0) }
    let smooth = random.floats(columns, in: 0.25...4)
    let result = Self.quantize(isa, x, rows: rows, columns: columns, smooth: smooth, ldq: ldq)
    let reference = Self.quantize(.scalar, x, rows: rows, columns: columns, smooth: smooth, ldq: ldq)
    #expect(result == reference)
    for row in 0..<rows {
      let scale = Double(result.scale[row])
      #expect((0...255).contains(result.zero[row]))
      for c in 0..<columns {
        let value = Double(x[row * columns + c] * smooth[c])
        let decoded = scale * Double(Int32(result.codes[row * ldq + c]) - result.zero[row])
        #expect(abs(value - decoded) <= 1.001 * scale)
      }
      #expect(result.codes[(row * ldq + columns)..<(row + 1) * ldq].allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: ISA.available)
  func zeroIsExact(_ isa: ISA) {
    let result = Self.quantize(isa, [-1, 0, 2.3], rows: 1, columns: 3, ldq: 4)
    #expect(Int32(result.codes[1]) == result.zero[0])
    #expect(result.codes[0] == 0 && result.codes[2] == 255)
  }

  @Test(arguments: ISA.available)
  func aRowOfZerosHasScaleOne(_ isa: ISA) {
    for value in [Float(0), -0.0, Float.leastNonzeroMagnitude, -Float.leastNormalMagnitude] {
      let result = Self.quantize(isa, [Float](repeating: value, count: 20), rows: 1, columns: 20, ldq: 20)
      #expect(result.scale == [1] && result.zero == [0] && result.codes.allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: ISA.available)
  func valuesThatAreNotFiniteStayInBounds(_ isa: ISA) {
    for bad in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
      let x = (0..<40).map { $0 % 7 == 3 ? bad : Float($0) - 20 }
      let result = Self.quantize(isa, x + x.map { -$0 }, rows: 2, columns: 40, ldq: 44)
      #expect(result.zero.allSatisfy { (0...255).contains($0) })
      #expect(bad.isFinite || result.scale.allSatisfy { $0.isNaN })
    }
  }
}

@Suite struct LayerNormTests {
  static func reference(
    _ x: ArraySlice<Float>, _ gamma: [Float], _ beta: [Float], _ epsilon: Double
  ) -> [Double] {
    let n = Double(x.count)
    let mean = x.reduce(0) { $0 + Double($1) } / n
    let variance = x.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / n
    return zip(x, zip(gamma, beta)).map {
      (Double($0) - mean) / (variance + epsilon).squareRoot() * Double($1.0) + Double($1.1)
    }
  }

  @Test(arguments: ISA.available, [1, 5, 16, 31, 100, 768])
  func isThatOfDoublePrecision(_ isa: ISA, _ columns: Int) {
    var random = Random(4)
    let gamma = random.floats(columns)
    let beta = random.floats(columns)
    for offset in [Float(0), 100] {
      let x = random.floats(3 * columns).map { $0 + offset }
      var out = [Float](repeating: 77, count: 3 * (columns + 2))
      isa.kernels.layer_norm(x, columns, 3, columns, gamma, beta, 1e-5, &out, columns + 2)
      for row in 0..<3 {
        let expected = Self.reference(x[row * columns..<(row + 1) * columns], gamma, beta, 1e-5)
        #expect(largestError(out.dropFirst(row * (columns + 2)), expected) < (offset == 0 ? 3e-6 : 5e-5))
        #expect(out[row * (columns + 2) + columns] == 77)
      }
      var inPlace = x
      inPlace.withUnsafeMutableBufferPointer {
        isa.kernels.layer_norm(
          $0.baseAddress, columns, 3, columns, gamma, beta, 1e-5, $0.baseAddress, columns)
      }
      for row in 0..<3 {
        let apart = out.dropFirst(row * (columns + 2)).prefix(columns)
        #expect(inPlace[row * columns..<(row + 1) * columns] == apart)
      }
    }
  }

  @Test(arguments: ISA.available, [1, 16, 50, 96])
  func theFusionIsTheTwoSteps(_ isa: ISA, _ columns: Int) {
    var random = Random(5)
    let x = random.floats(4 * columns)
    let gamma = random.floats(columns)
    let beta = random.floats(columns)
    let smooth = random.floats(columns, in: 0.5...2)
    var normalized = [Float](repeating: 0, count: 4 * columns)
    isa.kernels.layer_norm(x, columns, 4, columns, gamma, beta, 1e-5, &normalized, columns)
    let ldq = columns + 3
    let steps = QuantizeTests.quantize(isa, normalized, rows: 4, columns: columns, smooth: smooth, ldq: ldq)
    for keepsOutput in [true, false] {
      var out = [Float](repeating: 0, count: 4 * columns)
      var codes = [UInt8](repeating: 99, count: 4 * ldq)
      var scale = [Float](repeating: 0, count: 4)
      var zero = [Int32](repeating: 0, count: 4)
      out.withUnsafeMutableBufferPointer {
        isa.kernels.layer_norm_quantize(
          x, columns, 4, columns, gamma, beta, 1e-5, keepsOutput ? $0.baseAddress : nil, columns, smooth,
          &codes, ldq, &scale, &zero)
      }
      #expect(codes == steps.codes && scale == steps.scale && zero == steps.zero)
      if keepsOutput { #expect(out == normalized) }
    }
  }
}

@Suite struct ActivationTests {
  @Test(arguments: ISA.available, [CK_IDENTITY, CK_GELU, CK_QUICK_GELU])
  func isThatOfDoublePrecision(_ isa: ISA, _ activation: ck_activation) {
    let edges: [Float] = [0, -0.0, 1e-30, -100, 100, 1e4, -1e4, 1e30, -1e30]
    let x = stride(from: Float(-12), through: 12, by: 0.003).map { $0 } + edges
    var y = x
    isa.kernels.bias_activation(&y, x.count, 1, x.count, nil, activation, nil, 0)
    for (x, y) in zip(x, y) {
      let expected = activate(Double(x), activation)
      #expect(abs(Double(y) - expected) <= max(1e-6, 5e-7 * abs(expected)), "x = \(x)")
    }
  }

  @Test(arguments: ISA.available, [1, 15, 16, 37])
  func biasAndResidual(_ isa: ISA, _ columns: Int) {
    var random = Random(6)
    let bias = random.floats(columns)
    let residual = random.floats(3 * columns)
    let x = random.floats(3 * (columns + 1))
    var y = x
    isa.kernels.bias_activation(&y, columns + 1, 3, columns, bias, CK_GELU, residual, columns)
    for row in 0..<3 {
      for c in 0..<columns {
        let expected =
          activate(Double(x[row * (columns + 1) + c] + bias[c]), CK_GELU)
          + Double(residual[row * columns + c])
        #expect(abs(Double(y[row * (columns + 1) + c]) - expected) < 2e-6)
      }
      #expect(y[row * (columns + 1) + columns] == x[row * (columns + 1) + columns])
    }
  }
}

@Suite struct SoftmaxTests {
  static func reference(_ x: [Double]) -> [Double] {
    let most = x.max() ?? 0
    let powers = x.map { exp($0 - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  @Test(arguments: ISA.available, [0, 1, 3, 16, 17, 600])
  func isThatOfDoublePrecision(_ isa: ISA, _ count: Int) {
    var random = Random(7)
    for scale in [Float(1), -0.5, 30] {
      let x = random.floats(count, in: -5...5)
      var y = x + [77]
      isa.kernels.softmax(&y, count, scale)
      #expect(largestError(y, Self.reference(x.map { Double($0) * Double(scale) })) < 2e-6)
      #expect(y[count] == 77)
    }
  }

  @Test(arguments: ISA.available)
  func masksAndLargeValues(_ isa: ISA) {
    var x: [Float] = [1e30, -.infinity, 1e30, -1e30, 0]
    isa.kernels.softmax(&x, 5, 1)
    #expect(x == [0.5, 0, 0.5, 0, 0])
  }
}

@Suite struct AttentionTests {
  /// Attention of rows that are `ld` apart, without gaps if it is nil.
  static func run(
    _ isa: ISA, q: [Float], k: [Float], v: [Float], queries: Int, keys: Int, dim: Int, ld: Int? = nil,
    scale: Float = 0.2
  ) -> [Float] {
    let (ld, size) = (ld ?? dim, ck_attention_scratch(keys, dim))
    var scratch = [Float](repeating: .nan, count: size + 1)
    var out = [Float](repeating: 77, count: queries * ld)
    q.withUnsafeBufferPointer { q in
      k.withUnsafeBufferPointer { k in
        v.withUnsafeBufferPointer { v in
          out.withUnsafeMutableBufferPointer { out in
            scratch.withUnsafeMutableBufferPointer { scratch in
              var args = ck_attention(
                q: q.baseAddress, ldq: ld, k: k.baseAddress, ldk: ld, v: v.baseAddress, ldv: ld,
                queries: queries, keys: keys, dim: dim, scale: scale, out: out.baseAddress, ldo: ld,
                scratch: scratch.baseAddress)
              isa.kernels.attention(&args)
            }
          }
        }
      }
    }
    #expect(scratch[size].isNaN, "it wrote behind its scratch memory")
    return out
  }

  @Test(arguments: ISA.available, [1, 7])
  func withoutKeysIsZero(_ isa: ISA, _ queries: Int) {
    let q = [Float](repeating: 1, count: queries * 20)
    let out = Self.run(isa, q: q, k: [], v: [], queries: queries, keys: 0, dim: 20)
    #expect(out == [Float](repeating: 0, count: queries * 20))
  }

  @Test(arguments: ISA.available, [32, 64, 20, 7])
  func isThatOfDoublePrecision(_ isa: ISA, _ dim: Int) {
    var random = Random(8)
    for (queries, keys) in [(1, 1), (1, 50), (2, 17), (3, 16), (7, 50), (13, 5), (6, 100)] {
      let ld = dim + 5
      let q = random.floats(queries * ld, in: -3...3)
      let k = random.floats(keys * ld, in: -3...3)
      let v = random.floats(keys * ld)
      let scale = 1 / Float(dim).squareRoot()
      let out = Self.run(
        isa, q: q, k: k, v: v, queries: queries, keys: keys, dim: dim, ld: ld, scale: scale)
      for i in 0..<queries {
        let scores = (0..<keys).map { j in
          (0..<dim).reduce(0.0) { $0 + Double(q[i * ld + $1]) * Double(k[j * ld + $1]) } * Double(scale)
        }
        let p = SoftmaxTests.reference(scores)
        let expected = (0..<dim).map { d in (0..<keys).reduce(0.0) { $0 + p[$1] * Double(v[$1 * ld + d]) } }
        #expect(largestError(out.dropFirst(i * ld), expected) < 5e-6, "\(queries) x \(keys)")
        #expect(out[i * ld + dim] == 77)
      }
    }
  }
}

/// Damaged weights are found by the NaN that reaches the scores: no kernel may lose one on its way.
@Suite struct NotANumberTests {
  @Test(arguments: ISA.available, [CK_IDENTITY, CK_GELU, CK_QUICK_GELU])
  func staysInAnActivation(_ isa: ISA, _ activation: ck_activation) {
    for count in [1, 5, 16, 37] {
      var y = [Float](repeating: 1, count: count)
      y[count - 1] = .nan
      isa.kernels.bias_activation(&y, count, 1, count, nil, activation, nil, 0)
      #expect(y[count - 1].isNaN && y.dropLast().allSatisfy { $0.isFinite })
    }
  }

  @Test(arguments: ISA.available, [1, 16, 50])
  func fillsItsRowOfASoftmaxAndOfALayerNorm(_ isa: ISA, _ count: Int) {
    var x = [Float](repeating: 0.5, count: count)
    x[count / 2] = .nan
    let (gamma, beta) = ([Float](repeating: 1, count: count), [Float](repeating: 0, count: count))
    var normed = [Float](repeating: 0, count: count)
    isa.kernels.layer_norm(x, count, 1, count, gamma, beta, 1e-5, &normed, count)
    #expect(normed.allSatisfy { $0.isNaN })
    var codes = [UInt8](repeating: 0, count: count)
    var (scale, zero) = (Float(0), Int32(0))
    isa.kernels.layer_norm_quantize(
      x, count, 1, count, gamma, beta, 1e-5, nil, 0, nil, &codes, count, &scale, &zero)
    #expect(scale.isNaN && (0...255).contains(zero))
    isa.kernels.softmax(&x, count, 1)
    #expect(x.allSatisfy { $0.isNaN })
  }

  /// An infinite variance would make zeros of the row.
  @Test(arguments: ISA.available, [16, 50])
  func isWhatSquaresThatOverflowGive(_ isa: ISA, _ count: Int) {
    var x = [Float](repeating: 0.5, count: count)
    x[3] = 1e20
    let (gamma, beta) = ([Float](repeating: 1, count: count), [Float](repeating: 0, count: count))
    var normed = [Float](repeating: 0, count: count)
    isa.kernels.layer_norm(x, count, 1, count, gamma, beta, 1e-5, &normed, count)
    // In double precision, which the reference has, they do not.
    #expect(isa.testDescription == "scalar" ? normed[3] > 1 : normed.allSatisfy { $0.isNaN })
  }

  @Test(arguments: ISA.available, [Float.infinity, -Float.infinity])
  func isNoNumberThatAnInfinityGives(_ isa: ISA, _ value: Float) {
    for activation in [CK_GELU, CK_QUICK_GELU] {
      var y = [Float](repeating: 1, count: 37)
      y[20] = value
      isa.kernels.bias_activation(&y, 37, 1, 37, nil, activation, nil, 0)
      #expect(!y[20].isFinite)
    }
  }

  @Test(arguments: ISA.available, [1, 7])
  func reachesTheResultOfAttention(_ isa: ISA, _ queries: Int) {
    let keys = 20
    let dim = 32
    let sound = [Float](repeating: 0.25, count: keys * dim)
    var damaged = sound
    damaged[3 * dim] = .nan
    for (q, k, v) in [(damaged, sound, sound), (sound, damaged, sound), (sound, sound, damaged)] {
      let out = AttentionTests.run(isa, q: q, k: k, v: v, queries: queries, keys: keys, dim: dim)
      // One query of many has it in q, one column of all in v.
      let isReached = q[3 * dim].isNaN ? queries <= 3 || out[3 * dim].isNaN : out[0].isNaN
      #expect(isReached)
    }
  }
}

@Suite struct GemvTests {
  @Test(arguments: ISA.available, [1, 3, 16, 33, 130])
  func productsAreThoseOfDoublePrecision(_ isa: ISA, _ columns: Int) {
    var random = Random(9)
    for rows in [0, 1, 3, 4, 9] {
      let ld = columns + 3
      let w = random.floats(rows * ld + 1)
      let x = random.floats(columns)
      let z = random.floats(rows + 1)
      var y = [Float](repeating: 77, count: rows + 1)
      isa.kernels.gemv(w, ld, rows, columns, x, z, &y)
      let expected = (0..<rows).map { row in
        (0..<columns).reduce(Double(z[row])) { $0 + Double(w[row * ld + $1]) * Double(x[$1]) }
      }
      #expect(largestError(y, expected) < 1e-5)
      #expect(y[rows] == 77)
      isa.kernels.gemv(w, ld, rows, columns, x, nil, &y)
      #expect(largestError(y, zip(expected, z).map { $0 - Double($1) }) < 1e-5)

      var transposed = [Float](repeating: 77, count: columns + 1)
      isa.kernels.gemv_transposed(w, ld, rows, columns, z, &transposed)
      let sums = (0..<columns).map { k in
        (0..<rows).reduce(0.0) { $0 + Double(z[$1]) * Double(w[$1 * ld + k]) }
      }
      #expect(largestError(transposed, sums) < 1e-5)
      #expect(transposed[columns] == 77)
    }
    let a = random.floats(columns)
    let b = random.floats(columns)
    let dot = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    #expect(abs(Double(isa.kernels.dot(a, b, columns)) - dot) < 1e-5)
    #expect(isa.kernels.dot(a, b, 0) == 0)
  }
}
