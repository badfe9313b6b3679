import CARMS
import Glibc

/// The input is one byte that names a model, two that say where its tensors' bytes begin, in steps of 64, and
/// the header of a model file. The tensors' bytes are the named model's own: an input stays small, and what is
/// changed is what the library must check.
func fuzzModel(_ bytes: UnsafeRawBufferPointer) {
  let source = ByteSource(bytes)
  let weights = ModelBytes.all[Int(source.next(UInt8.self)) % ModelBytes.all.count]
  let start = Int(source.next(UInt16.self)) * 64
  let header = source.takeAll()
  let padding = [UInt8](repeating: 0, count: (64 - header.count % 64) % 64)
  let file = padding.withUnsafeBytes { padding in
    MemoryFile([header, padding, UnsafeRawBufferPointer(rebasing: weights.bytes.dropFirst(start))])
  }
  // A copy lies in a block of its own, so that a step beyond the file is seen.
  guard let router = Host.open(file.path, Host.options(flags: UInt32(ARMS_OPEN_COPY.rawValue))) else {
    return
  }
  exercise(router)
  arms_router_free(router)
}

/// Asks an open router for everything once, and opens what it saves.
func exercise(_ router: OpaquePointer) {
  var info = arms_router_info()
  info.struct_size = UInt32(MemoryLayout<arms_router_info>.size)
  require(Host.call { arms_router_describe(router, &info, $0) } == 0, "an open router cannot be described")
  var candidate = arms_candidate()
  candidate.struct_size = UInt32(MemoryLayout<arms_candidate>.size)
  "new".withCString { name in
    candidate.name = name
    Host.call { arms_candidates_add(router, &candidate, 1, $0) }
  }
  // An image only where it is as small as in a test: a file may ask for any size.
  let side = Int(info.image_size)
  let pixels = [Float](repeating: 0.25, count: side <= 64 ? 3 * side * side : 0)
  pixels.withUnsafeBytes { pixels in
    var image = arms_image_input()
    image.struct_size = UInt32(MemoryLayout<arms_image_input>.size)
    image.format = UInt32(ARMS_IMAGE_PREPARED.rawValue)
    image.data = pixels.baseAddress
    image.size = pixels.count
    for count in pixels.isEmpty ? 0..<1 : 0..<2 {
      withUnsafePointer(to: image) { image in
        Question(text: "What is the highest value?", images: image, imageCount: UInt32(count)).route(router)
      }
    }
  }
  let saved = "\(Host.folder)/saved.gguf"
  if Host.call({ arms_router_save(router, saved, $0) }) == 0 {
    let again = Host.open(saved, Host.options())
    require(again != nil, "what was saved is refused")
    arms_router_free(again)
  }
}

/// The bytes of a model file.
private struct ModelBytes: Sendable {
  nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  /// All models, read once.
  static let all = (0..<5).map { ModelBytes(Host.model($0)) }

  private init(_ path: String) {
    guard let file = fopen(path, "rb") else { fatalError("\(path) cannot be opened") }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: ftell(file), alignment: 64)
    rewind(file)
    guard fread(memory.baseAddress, 1, memory.count, file) == memory.count else {
      fatalError("\(path) cannot be read")
    }
    bytes = UnsafeRawBufferPointer(memory)
  }
}
