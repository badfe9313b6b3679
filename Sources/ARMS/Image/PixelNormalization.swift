/// Writes 8-bit pixels as normalised floats, (value / 255 - mean) / std, into planes of channels.
struct PixelNormalization {
  /// [3, 256]
  private let table: [Float]
  private let size: Int
  private let pixels: UnsafeMutablePointer<Float>

  /// `pixels` holds [3, size, size] and must outlive this value.
  init(mean: [Float], std: [Float], size: Int, pixels: UnsafeMutablePointer<Float>) {
    table = zip(mean, std).flatMap { mean, std in
      (0..<256).map { (Float($0) / 255 - mean) / std }
    }
    self.size = size
    self.pixels = pixels
  }

  /// Fills all planes with what a black pixel becomes.
  func fillWithBlack() {
    for c in 0..<3 {
      (pixels + c * size * size).update(repeating: table[256 * c], count: size * size)
    }
  }

  /// Writes `columns` interleaved pixels of 1 or 3 channels to row `y`, from column `x` on.
  func write(_ row: UnsafePointer<UInt8>, channels: Int, columns: Int, x: Int, y: Int) {
    table.withUnsafeBufferPointer { table in
      for c in 0..<3 {
        let plane = pixels + (c * size + y) * size + x
        let values = table.baseAddress.unsafelyUnwrapped + 256 * c
        let source = row + (channels == 1 ? 0 : c)
        for i in 0..<columns { plane[i] = values[Int(source[i * channels])] }
      }
    }
  }
}
