extension ImagePreprocessor {
  /// Reads the constants from the keys that begin with `key`, "arms.vision" say.
  init(_ file: ModelFile, key: String) throws(ARMSError) {
    let cropSize = try file.size("\(key).image_size", 1...4_096)
    let resizeSize = try file.size("\(key).resize_size", 1...16_384)
    guard resizeSize >= cropSize else {
      throw file.invalid("\(key).resize_size \(resizeSize) is smaller than its image size \(cropSize)")
    }
    self.init(
      resizeSize: resizeSize, cropSize: cropSize,
      mean: try Self.threeNumbers(file, "\(key).image_mean") { $0.isFinite },
      std: try Self.threeNumbers(file, "\(key).image_std") { $0.isFinite && $0 > 0 })
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
