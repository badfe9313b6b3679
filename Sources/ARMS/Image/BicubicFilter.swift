import CKernels

/// The coefficients that resample one axis of an image, in fixed point.
///
/// The convolution is Keys' cubic with a = -1/2, stretched by the scale when the image shrinks
/// (antialiasing), as Pillow's `Image.resize` with `BICUBIC` has it, of which this gives the same bits.
/// Only the outputs that survive the crop are computed, so that the length of the resized axis does
/// not matter.
struct BicubicFilter {
  /// The first source pixel of each output.
  let starts: UnsafeBufferPointer<Int>
  /// [outputs, taps], with 0 after the last tap of an output.
  let coefficients: UnsafeBufferPointer<Int32>
  /// The most source pixels of an output.
  let taps: Int

  /// The source pixels that any output needs.
  var span: Range<Int> {
    guard let first = starts.first, let last = starts.last else { return 0..<0 }
    return first..<last + taps
  }

  /// Coefficients for the outputs in `window` of an axis of `outputs`, over `inputs` source pixels that
  /// cover `extent` units; they differ when a decoder has rounded the last pixel up. They lie in `arena`.
  init(
    inputs: Int, extent: Double, outputs: Int, window: Range<Int>, in arena: ScratchArena
  ) throws(ARMSError) {
    let scale = extent / Double(outputs)
    let stretch = max(scale, 1)
    let support = 2 * stretch
    // An output reaches at most this many pixels; never more than there are, so that a window of
    // `taps` pixels always fits.
    taps = min(Int(support.rounded(.up)) * 2 + 1, inputs)
    let starts = try arena.allocate(Int.self, window.count)
    let coefficients = try arena.allocate(Int32.self, window.count * taps)
    for (row, output) in window.enumerated() {
      starts[row] = Self.compute(
        coefficients + row * taps, taps: taps, centre: (Double(output) + 0.5) * scale, support: support,
        stretch: stretch, inputs: inputs)
    }
    self.starts = UnsafeBufferPointer(start: starts, count: window.count)
    self.coefficients = UnsafeBufferPointer(start: coefficients, count: window.count * taps)
  }

  /// Writes the coefficients of one output, and returns its first source pixel.
  private static func compute(
    _ coefficients: UnsafeMutablePointer<Int32>, taps: Int, centre: Double, support: Double, stretch: Double,
    inputs: Int
  ) -> Int {
    let first = min(max(Int(centre - support + 0.5), 0), inputs - 1)
    let last = max(min(Int(centre + support + 0.5), inputs), first + 1)
    func weight(_ pixel: Int) -> Double { Self.weight((Double(pixel) - centre + 0.5) * (1 / stretch)) }
    var sum = 0.0
    for pixel in first..<last { sum += weight(pixel) }
    // Moving the start keeps the window inside the image at its end; the moved-in taps are 0.
    let start = min(first, inputs - taps)
    coefficients.update(repeating: 0, count: taps)
    for pixel in first..<last {
      coefficients[pixel - start] = fixed(sum != 0 ? weight(pixel) / sum : weight(pixel))
    }
    return start
  }

  private static func weight(_ x: Double) -> Double {
    let x = abs(x)
    if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * -0.5 }
    return 0
  }

  private static func fixed(_ weight: Double) -> Int32 {
    let scaled = weight * Double(1 << ck_coefficient_bits)
    return Int32(weight < 0 ? scaled - 0.5 : scaled + 0.5)
  }
}
