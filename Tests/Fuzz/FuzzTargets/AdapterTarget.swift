import CARMS

/// The input is a list of changes to an adapter of a small router.
func fuzzAdapter(_ bytes: UnsafeRawBufferPointer) {
  let source = ByteSource(bytes)
  var parts = AdapterHost.shared.parts
  for _ in 0..<8 where !source.isEmpty { parts.change(source) }
  let file = parts.assembled().withUnsafeBytes { MemoryFile([$0]) }
  AdapterHost.shared.apply(file.path)
}

/// A sound adapter, made once.
private final class AdapterHost: @unchecked Sendable {
  // Used by the one thread of the fuzzer; that is why @unchecked holds.
  static let shared = AdapterHost()

  let parts: FileParts

  private init() {
    var (trainer, options) = (OpaquePointer?.none, arms_trainer_options())
    options.struct_size = UInt32(MemoryLayout<arms_trainer_options>.size)
    (options.threads, options.text_layers, options.image_layers, options.lora_rank) = (1, 1, 1, 2)
    let sound = "\(Host.folder)/sound.gguf"
    Host.call { arms_trainer_create(Host.routers[1], &options, &trainer, $0) }
    require(Host.call { arms_trainer_save_adapter(trainer, sound, $0) } == 0, "there is no adapter")
    arms_trainer_free(trainer)
    parts = FileParts(path: sound)
    apply(sound, isSound: true)
  }

  /// Applies a file to the router that the adapter is of. What is refused must leave it as it was; what is taken must
  /// serve.
  func apply(_ path: String, isSound: Bool = false) {
    // A copy lies in a block of its own, so that a step beyond the file is seen.
    guard let router = Host.open(Host.model(1), Host.options(flags: UInt32(ARMS_OPEN_COPY.rawValue))) else {
      fatalError("the model is refused")
    }
    defer { arms_router_free(router) }
    let before = generation(router)
    let isTaken = Host.call { arms_router_apply_adapter(router, path, nil, $0) } == 0
    require(generation(router) == before + (isTaken ? 1 : 0), "a refused adapter changes the router")
    require(isTaken || !isSound, "the sound adapter is refused")
    exercise(router)
  }

  private func generation(_ router: OpaquePointer) -> UInt64 {
    var info = arms_router_info()
    info.struct_size = UInt32(MemoryLayout<arms_router_info>.size)
    require(Host.call { arms_router_describe(router, &info, $0) } == 0, "an open router cannot be described")
    return info.generation
  }
}
