extension ImagePreprocessor {
  /// Reads the constants from the keys that begin with `key`, "arms.vision" say.
  init(_ file: ModelFile, key: String) throws(ARMSError) {
    let cropSize = try file.size("\(key).image_size", 1...4_096)
    let resizeSize = try file.size("\(key).resize_size", 1...16_384)
    guard resizeSize >= cropSize else {
      throw file.invalid("\(key).resize_size \(resizeSize) is smaller than its image size \(cropSize)")
    }
    let mean = try Self.threeNumbers(file, "\(key).image_mean") { $0.isFinite }
    let std = try Self.threeNumbers(file, "\(key).image_std") { $0.isFinite && $0 > 0 }
    for (mean, std) in zip(mean, std) where !(mean / std).isFinite || !((1 - mean) / std).isFinite {
      throw file.invalid("\(key).image_mean \(mean) over image_std \(std) is no finite number; check both")
    }
    self.init(resizeSize: resizeSize, cropSize: cropSize, mean: mean, std: std)
  }

  private static func threeNumbers(
    _ file: ModelFile, _ key: String, where isValid: (Float) -> Bool
  ) throws(ARMSError) -> [Float] {
    let values = try file.floatArray(key)
    guard values.count == 3, values.allSatisfy(isValid) else {
      throw file.invalid(
        "\(key) is \(values.prefix(4)); 3 finite numbers are wanted, above 0 for a deviation")
    }
    return values
  }
}
