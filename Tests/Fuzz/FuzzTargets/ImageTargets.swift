import CARMS

/// The input is the bytes of a JPEG file.
func fuzzJPEG(_ bytes: UnsafeRawBufferPointer) {
  prepare(bytes)
  prepare(bytes, flags: UInt32(ARMS_IMAGE_EXACT.rawValue))
}

/// The input is the bytes of a PNG file.
func fuzzPNG(_ bytes: UnsafeRawBufferPointer) {
  prepare(bytes)
  var repaired = [UInt8](bytes)
  repairChecksums(&repaired)
  repaired.withUnsafeBytes { prepare($0) }
}

/// Prepares an image, and checks the pixels.
private func prepare(_ bytes: UnsafeRawBufferPointer, flags: UInt32 = 0) {
  // What the first model wants, and a few more, which must stay as they are.
  let capacity = 3 * 32 * 32 + 16
  withUnsafeTemporaryAllocation(of: Float.self, capacity: capacity) { pixels in
    var image = arms_image_input()
    image.struct_size = UInt32(MemoryLayout<arms_image_input>.size)
    image.flags = flags
    image.data = bytes.baseAddress
    image.size = bytes.count
    pixels.initialize(repeating: .nan)
    var count = 0
    let status = Host.call {
      arms_image_prepare(Host.routers[0], &image, pixels.baseAddress, capacity, &count, $0)
    }
    if status == 0 {
      require(pixels[..<count].allSatisfy(\.isFinite), "a pixel is not finite")
    }
    require(pixels[(status == 0 ? count : 0)...].allSatisfy(\.isNaN), "more was written than was promised")
  }
}

/// Makes the checksum of every chunk right: without, hardly an input would come further than to them.
private func repairChecksums(_ png: inout [UInt8]) {
  var start = 8
  while start + 12 <= png.count {
    let length = png[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    guard length <= png.count - start - 12 else { return }
    var checksum = UInt32.max
    for byte in png[start + 4..<start + 8 + length] {
      checksum ^= UInt32(byte)
      for _ in 0..<8 { checksum = checksum & 1 != 0 ? checksum >> 1 ^ 0xEDB8_8320 : checksum >> 1 }
    }
    for place in 0..<4 {
      png[start + 8 + length + place] = UInt8(truncatingIfNeeded: ~checksum >> (24 - 8 * place))
    }
    start += 12 + length
  }
}
