/// Turns an image into the pixels that CLIP's image encoder reads: shorter side resized to
/// `resizeSize` (bicubic, antialiased), centre crop of `cropSize`, 1/255, normalised per channel.
///
/// The pixels are those of Hugging Face's `CLIPImageProcessor` over Pillow. Immutable, so it may be
/// used from any number of threads.
struct ImagePreprocessor: Sendable {
  /// Pixels of the shorter side after resizing.
  let resizeSize: Int
  /// Pixels of the square that is cut out of the middle.
  let cropSize: Int
  /// Subtracted from each channel's values in 0...1.
  let mean: [Float]
  /// What each channel is then divided by.
  let std: [Float]

  /// The largest sizes that are taken from a model file.
  private static let largestSize = 1 << 14
  /// The largest normalised pixel that is taken from a host. Those of pictures are below 10; squares of sums of these
  /// stay far from what a float can hold.
  private static let pixelLimit: Float = 1e6

  /// Writes floats [3, cropSize, cropSize] to `pixels`, with what it needs meanwhile in `arena`.
  ///
  /// Throws `invalidImage`, `limitExceeded`, `io`, `notFinite`, `invalidArgument` or `outOfMemory`; what
  /// `pixels` holds is then undefined.
  func prepare(
    _ input: ImageInput, limits: ImageLimits, into pixels: UnsafeMutablePointer<Float>,
    in arena: ScratchArena
  ) throws(ARMSError) {
    guard (1...Self.largestSize).contains(resizeSize), (1...resizeSize).contains(cropSize),
      mean.count == 3, std.count == 3
    else {
      throw ARMSError(
        .invalidModel,
        "image preprocessing: sizes \(resizeSize) and \(cropSize) must be 1 to \(Self.largestSize), "
          + "the second no larger than the first, and mean and std have 3 values")
    }
    switch input.source {
    case .encoded(let data):
      try prepare(encoded: data, name: "image", exact: input.exact, limits: limits, into: pixels, in: arena)
    case .path(let path):
      let file = try ImageFile.read(path, limits: limits)
      defer { extendLifetime(file) }
      let data = UnsafeRawBufferPointer(file.bytes)
      try prepare(
        encoded: data, name: ImageFile.name(path), exact: input.exact, limits: limits, into: pixels,
        in: arena)
    case .rgb8(let data, let width, let height, let stride):
      try prepare(
        raw: data, (width, height), channels: 3, stride: stride, limits: limits, into: pixels, in: arena)
    case .rgba8(let data, let width, let height, let stride):
      try prepare(
        raw: data, (width, height), channels: 4, stride: stride, limits: limits, into: pixels, in: arena)
    case .gray8(let data, let width, let height, let stride):
      try prepare(
        raw: data, (width, height), channels: 1, stride: stride, limits: limits, into: pixels, in: arena)
    case .prepared(let values):
      try copy(values, into: pixels)
    }
  }

  private func prepare(
    encoded data: UnsafeRawBufferPointer, name: String, exact: Bool, limits: ImageLimits,
    into pixels: UnsafeMutablePointer<Float>, in arena: ScratchArena
  ) throws(ARMSError) {
    var decoder = try ImageDecoder(data, name: name, limits: limits)
    let full = (width: decoder.width, height: decoder.height)
    try decoder.start(shortest: exact ? Int.max : 2 * resizeSize)
    let scale = decoder.scale
    if decoder.orientation == .upright {
      try resample(&decoder, size: full, scale: scale, into: pixels, in: arena)
    } else {
      let turned = decoder.orientation.swapsAxes ? (full.height, full.width) : full
      let image = try OrientedPixels(&decoder, in: arena)
      defer { extendLifetime(image) }
      var rows = image.rows
      try resample(&rows, size: turned, scale: scale, into: pixels, in: arena)
    }
  }

  private func prepare(
    raw data: UnsafeRawBufferPointer, _ size: (width: Int, height: Int), channels: Int, stride: Int,
    limits: ImageLimits, into pixels: UnsafeMutablePointer<Float>,
    in arena: ScratchArena
  ) throws(ARMSError) {
    var rows = try RawPixels(
      data, width: size.width, height: size.height, channels: channels, stride: stride, limits: limits)
    try resample(&rows, size: size, scale: 1, into: pixels, in: arena)
  }

  private func copy(
    _ values: UnsafeBufferPointer<Float>, into pixels: UnsafeMutablePointer<Float>
  ) throws(ARMSError) {
    let count = 3 * cropSize * cropSize
    guard values.count == count, let base = values.baseAddress else {
      throw ARMSError(
        .invalidArgument,
        "prepared image: \(values.count) floats instead of 3 x \(cropSize) x \(cropSize) = \(count)")
    }
    try Self.check(prepared: values)
    pixels.update(from: base, count: count)
  }

  /// Throws `notFinite` or `invalidArgument` if a value is none of a normalised pixel.
  static func check(prepared values: UnsafeBufferPointer<Float>) throws(ARMSError) {
    // NaN is not within the limit either.
    guard let index = values.firstIndex(where: { !($0.magnitude <= pixelLimit) }) else { return }
    throw ARMSError(
      values[index].isFinite ? .invalidArgument : .notFinite,
      "prepared image: value \(index) is \(values[index]); normalised pixels are within \(pixelLimit) of 0")
  }

  /// Resamples rows that stand for an image of `size` at `scale`.
  private func resample<Rows: PixelRows & ~Copyable>(
    _ rows: inout Rows, size: (width: Int, height: Int), scale: Double,
    into pixels: UnsafeMutablePointer<Float>, in arena: ScratchArena
  ) throws(ARMSError) {
    let shorter = min(size.width, size.height)
    let horizontal = CropAxis(size.width, shorter: shorter, resizeSize: resizeSize, cropSize: cropSize)
    let vertical = CropAxis(size.height, shorter: shorter, resizeSize: resizeSize, cropSize: cropSize)
    let resampler = Resampler(
      columns: try horizontal.filter(inputs: rows.width, scale: scale, in: arena),
      rows: try vertical.filter(inputs: rows.height, scale: scale, in: arena),
      verticalFirst: Resampler.startsVertically(from: size, to: (horizontal.resized, vertical.resized)),
      in: arena)
    let normalization = try PixelNormalization(
      mean: mean, std: std, size: cropSize, pixels: pixels, in: arena)
    let channels = min(rows.channels, 3)
    try resampler.run(&rows) { (row, y) in normalization.write(row, channels: channels, y: y) }
  }
}

/// One axis of "resize the shorter side, then crop the centre": which resized pixels survive.
struct CropAxis {
  /// Pixels of the source at full size.
  let size: Int
  /// Pixels after resizing. Of an extreme aspect ratio these are many, so nothing is made of this size.
  let resized: Int
  /// The resized pixels that the crop keeps.
  let window: Range<Int>

  /// An axis of a crop that is no larger than what the shorter side is resized to.
  init(_ size: Int, shorter: Int, resizeSize: Int, cropSize: Int) {
    self.size = size
    // The longer side is a quotient of doubles, truncated, as in Python's int(size * long / short).
    resized = Int(Double(resizeSize * size) / Double(shorter))
    let offset = (resized - cropSize) / 2
    window = offset..<offset + cropSize
  }

  /// The coefficients of the window over `inputs` pixels, decoded at `scale`.
  func filter(
    inputs: Int, scale: Double, in arena: ScratchArena
  ) throws(ARMSError) -> BicubicFilter {
    try BicubicFilter(
      inputs: inputs, extent: Double(size) * scale, outputs: resized, window: window, in: arena)
  }
}
