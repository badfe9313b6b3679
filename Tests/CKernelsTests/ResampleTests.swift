import CKernels
import Testing

@Suite struct ResampleTests {
  /// So small that no sum overflows.
  private static func coefficients(_ count: Int, _ random: inout Random) -> [Int32] {
    let one = Int32(1) << Int32(ck_coefficient_bits)
    return (0..<count).map { _ in Int32.random(in: -one / 128...one / 64, using: &random) }
  }

  private static func clip8(_ sum: Int) -> UInt8 {
    UInt8(clamping: (sum + 1 << (ck_coefficient_bits - 1)) >> ck_coefficient_bits)
  }

  /// Every sum, of every count of rows, channels and groups, and not a byte beyond.
  @Test(arguments: ISA.available, [1, 3, 4])
  func columnsAreThoseOfTheFormula(_ isa: ISA, _ channels: Int) {
    var random = Random(11)
    for (rows, columns, groups) in [(1, 1, 1), (2, 7, 2), (3, 33, 1), (4, 20, 3)] {
      let width = groups * ck_resample_group
      let stride = 2 * columns + width
      let pixels = (0..<rows * stride).map { _ in UInt8.random(in: 0...255, using: &random) }
      let coefficients = Self.coefficients(columns * width, &random)
      let offsets = (0..<columns).map { 2 * $0 }
      let written = min(channels, 3)
      var out = [UInt8](repeating: 77, count: rows * columns * written + 1)
      pixels.withUnsafeBufferPointer { pixels in
        coefficients.withUnsafeBufferPointer { coefficients in
          offsets.withUnsafeBufferPointer { offsets in
            out.withUnsafeMutableBufferPointer { out in
              var args = ck_resample_columns(
                rows: pixels.baseAddress, stride: stride, row_count: rows,
                coefficients: coefficients.baseAddress, offsets: offsets.baseAddress, columns: columns,
                groups: groups, channels: channels, out: out.baseAddress, out_stride: columns * written)
              isa.kernels.resample_columns(&args)
            }
          }
        }
      }
      let expected = (0..<rows).flatMap { row in
        (0..<columns).flatMap { column in
          (0..<written).map { channel in
            let sum = Swift.stride(from: channel, to: width, by: channels).reduce(0) {
              $0 + Int(pixels[row * stride + offsets[column] + $1]) * Int(coefficients[column * width + $1])
            }
            return Self.clip8(sum)
          }
        }
      }
      #expect(out == expected + [77], "\(rows) rows, \(columns) columns, \(groups) groups")
    }
  }

  @Test(arguments: ISA.available, [0, 1, 31, 32, 100])
  func rowsAreThoseOfTheFormula(_ isa: ISA, _ width: Int) {
    var random = Random(12)
    for taps in [1, 4, 9] {
      let pixels = (0..<taps * (width + 3)).map { _ in UInt8.random(in: 0...255, using: &random) }
      let coefficients = Self.coefficients(taps, &random)
      var out = [UInt8](repeating: 77, count: width + 1)
      isa.kernels.resample_row(pixels, width + 3, coefficients, taps, width, &out)
      let expected = (0..<width).map { column in
        Self.clip8(
          (0..<taps).reduce(0) { $0 + Int(pixels[$1 * (width + 3) + column]) * Int(coefficients[$1]) })
      }
      #expect(out == expected + [77], "\(taps) taps")
    }
  }
}
