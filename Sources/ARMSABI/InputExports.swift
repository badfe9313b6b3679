import ARMS
public import CARMS

/// An image of the host.
func convert(_ pointer: UnsafePointer<arms_image_input>?, _ label: String) throws(ARMSError) -> ImageInput {
  guard let pointer else { throw ARMSError(.invalidArgument, "\(label) is NULL; an image is wanted") }
  return try convert(try read(pointer, label), label)
}

/// An image of the host, its struct already read.
func convert(
  _ image: arms_image_input, _ label: @autoclosure () -> String
) throws(ARMSError) -> ImageInput {
  try unused(image.reserved, label())
  let exact = UInt32(ARMS_IMAGE_EXACT.rawValue)
  guard image.flags & ~exact == 0 else {
    throw ARMSError(
      .invalidArgument, "\(label()).flags is \(image.flags); only ARMS_IMAGE_EXACT (\(exact)) is known")
  }
  return ImageInput(try source(image, label()), exact: image.flags & exact != 0)
}

private func source(
  _ image: arms_image_input, _ label: @autoclosure () -> String
) throws(ARMSError) -> ImageInput.Source {
  guard let data = image.data else {
    throw ARMSError(.invalidArgument, "\(label()).data is NULL; its bytes are wanted")
  }
  if image.format == UInt32(ARMS_IMAGE_PATH.rawValue) {
    let bytes = try text(data.assumingMemoryBound(to: CChar.self), image.size, "\(label()).data")
    let path = try string(of: bytes, "\(label()).data")
    guard !path.utf8.contains(0) else {
      throw ARMSError(.invalidText, "\(label()).data is a path that holds a NUL")
    }
    return .path(path)
  }
  guard image.size >= 0, image.stride >= 0 else {
    throw ARMSError(.invalidArgument, "\(label()).size or stride is more than half the address space")
  }
  let bytes = UnsafeRawBufferPointer(start: data, count: image.size)
  let (width, height) = (Int(image.width), Int(image.height))
  switch arms_image_format(image.format) {
  case ARMS_IMAGE_ENCODED: return .encoded(bytes)
  case ARMS_IMAGE_RGB8: return .rgb8(bytes, width: width, height: height, stride: image.stride)
  case ARMS_IMAGE_RGBA8: return .rgba8(bytes, width: width, height: height, stride: image.stride)
  case ARMS_IMAGE_GRAY8: return .gray8(bytes, width: width, height: height, stride: image.stride)
  case ARMS_IMAGE_PREPARED: return .prepared(try floats(bytes, label()))
  default:
    throw ARMSError(
      .invalidArgument, "\(label()).format is \(image.format); 0 to 5 is wanted, see arms_image_format")
  }
}

private func floats(
  _ bytes: UnsafeRawBufferPointer, _ label: @autoclosure () -> String
) throws(ARMSError) -> UnsafeBufferPointer<Float> {
  let size = MemoryLayout<Float>.stride
  guard bytes.count % size == 0, Int(bitPattern: bytes.baseAddress) % size == 0 else {
    throw ARMSError(.invalidArgument, "\(label()).data of a prepared image is not aligned floats")
  }
  return bytes.assumingMemoryBound(to: Float.self)
}

/// Encodes a question. Documented in `arms.h`.
@_cdecl("arms_question_encode") @implementation
public func arms_question_encode(
  _ router: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int,
  _ question: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let out = try required(question, "question")
    let text = try ARMSABI.text(text, length, "text")
    out.pointee = try newHandle(try router.encode(question: .utf8(text)))
  }
}

/// Frees an encoded question. Documented in `arms.h`.
@_cdecl("arms_question_free") @implementation
public func arms_question_free(_ question: OpaquePointer?) { HandleTable.shared.remove(question, .question) }

/// Writes the pooled vector of a question. Documented in `arms.h`.
@_cdecl("arms_question_embedding") @implementation
public func arms_question_embedding(
  _ question: OpaquePointer?, _ embedding: UnsafeMutablePointer<Float>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let encoded = try object(question, as: EncodedQuestion.self, "question")
    try deliver(
      encoded.embedding, to: embedding, capacity: capacity, count: try required(count, "required"),
      "embedding")
  }
}

/// Decodes, prepares and encodes an image. Documented in `arms.h`.
@_cdecl("arms_image_encode") @implementation
public func arms_image_encode(
  _ router: OpaquePointer?, _ input: UnsafePointer<arms_image_input>?,
  _ image: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let out = try required(image, "image")
    out.pointee = try newHandle(try router.encode(image: try convert(input, "input")))
  }
}

/// Frees an encoded image. Documented in `arms.h`.
@_cdecl("arms_image_free") @implementation
public func arms_image_free(_ image: OpaquePointer?) { HandleTable.shared.remove(image, .image) }

/// Writes the pooled vector of an image. Documented in `arms.h`.
@_cdecl("arms_image_embedding") @implementation
public func arms_image_embedding(
  _ image: OpaquePointer?, _ embedding: UnsafeMutablePointer<Float>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let encoded = try object(image, as: EncodedImage.self, "image")
    try deliver(
      encoded.embedding, to: embedding, capacity: capacity, count: try required(count, "required"),
      "embedding")
  }
}

/// Writes the token ids of a text. Documented in `arms.h`.
@_cdecl("arms_text_tokenize") @implementation
public func arms_text_tokenize(
  _ router: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int,
  _ tokens: UnsafeMutablePointer<Int32>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?,
  _ total: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let count = try required(count, "count")
    let (ids, all) = try router.tokenize(try ARMSABI.text(text, length, "text"))
    try deliver(ids, to: tokens, capacity: capacity, count: count, "tokens")
    total?.pointee = all
  }
}

/// Writes the prepared pixels of an image. Documented in `arms.h`.
@_cdecl("arms_image_prepare") @implementation
public func arms_image_prepare(
  _ router: OpaquePointer?, _ input: UnsafePointer<arms_image_input>?, _ pixels: UnsafeMutablePointer<Float>?,
  _ capacity: Int, _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let count = try required(count, "required")
    var floats = 0
    try router.prepare(try convert(input, "input")) { (needed) throws(ARMSError) in
      floats = needed
      return try hasRoom(pixels, capacity, for: needed, to: count, "pixels") ? pixels : nil
    }
    count.pointee = floats
  }
}
