/// Writes 8-bit pixels as normalised floats, (value / 255 - mean) / std, into planes of channels.
struct PixelNormalization {
  /// [3, 256]
  private let table: UnsafePointer<Float>
  private let size: Int
  private let pixels: UnsafeMutablePointer<Float>

  /// `pixels` holds [3, size, size] and must outlive this value, as must what lies in `arena`.
  init(
    mean: [Float], std: [Float], size: Int, pixels: UnsafeMutablePointer<Float>, in arena: ScratchArena
  ) throws(ARMSError) {
    let table = try arena.allocate(Float.self, 3 * 256)
    for c in 0..<3 {
      for level in 0..<256 { table[256 * c + level] = (Float(level) / 255 - mean[c]) / std[c] }
    }
    self.table = UnsafePointer(table)
    self.size = size
    self.pixels = pixels
  }

  /// Writes a row of `size` interleaved pixels of 1 or 3 channels to row `y`.
  func write(_ row: UnsafePointer<UInt8>, channels: Int, y: Int) {
    for c in 0..<3 {
      let plane = pixels + (c * size + y) * size
      let values = table + 256 * c
      let source = row + (channels == 1 ? 0 : c)
      for i in 0..<size { plane[i] = values[Int(source[i * channels])] }
    }
  }
}
