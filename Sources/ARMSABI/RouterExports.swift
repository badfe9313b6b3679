import ARMS
public import CARMS

/// Opens a model file. Documented in `arms.h`.
@_cdecl("arms_router_open") @implementation
public func arms_router_open(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<arms_open_options>?,
  _ router: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let out = try required(router, "router")
    let path = try string(path, "path")
    let opened = try Router(path: path, options: try openOptions(options))
    out.pointee = try newHandle(opened)
    logLoaded(opened, path, by: "arms_router_open")
  }
}

private func logLoaded(_ router: Router, _ path: String, by function: String) {
  func text(_ description: Router.Description) -> String {
    let parts = [
      "\(function): \(printable(path))", "generation \(description.generation)",
      "fusion \(description.fusion)",
      "\(description.candidates) candidates", "\(description.threads) threads",
    ]
    return parts.joined(separator: ", ")
  }
  log(ARMS_LOG_INFO, text(router.description))
}

private func openOptions(_ pointer: UnsafePointer<arms_open_options>?) throws(ARMSError) -> Router.Options {
  var result = Router.Options()
  guard let pointer else { return result }
  let options = try read(pointer, "options")
  try unused(options.reserved, "options")
  let copy = UInt32(ARMS_OPEN_COPY.rawValue)
  guard options.flags & ~copy == 0 else {
    throw ARMSError(
      .invalidArgument, "options.flags is \(options.flags); only ARMS_OPEN_COPY (\(copy)) is known")
  }
  result.copy = options.flags & copy != 0
  result.threads = Int(options.threads)
  if options.max_image_bytes > 0 { result.maxImageBytes = Int(clamping: options.max_image_bytes) }
  if options.max_image_pixels > 0 { result.maxImagePixels = Int(clamping: options.max_image_pixels) }
  return result
}

/// A handle for a new object.
func newHandle(_ object: some HandleObject) throws(ARMSError) -> OpaquePointer {
  guard let handle = HandleTable.shared.insert(object) else {
    throw ARMSError(.limitExceeded, "16 million handles are open; free those that are done with")
  }
  return handle
}

/// Frees a router. Documented in `arms.h`.
@_cdecl("arms_router_free") @implementation
public func arms_router_free(_ router: OpaquePointer?) { HandleTable.shared.remove(router, .router) }

/// Writes the router and its present candidates as a model file. Documented in `arms.h`.
@_cdecl("arms_router_save") @implementation
public func arms_router_save(
  _ router: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    try router.save(to: try string(path, "path"))
  }
}

/// Replaces weights and candidates by those of a file. Documented in `arms.h`.
@_cdecl("arms_router_reload") @implementation
public func arms_router_reload(
  _ router: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<arms_reload_options>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let path = try string(path, "path")
    try router.reload(from: path, candidates: try replacedCandidates(options))
    logLoaded(router, path, by: "arms_router_reload")
  }
}

/// Adds an adapter to the weights. Documented in `arms.h`.
@_cdecl("arms_router_apply_adapter") @implementation
public func arms_router_apply_adapter(
  _ router: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<arms_reload_options>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let path = try string(path, "path")
    try router.applyAdapter(from: path, candidates: try replacedCandidates(options))
    logLoaded(router, path, by: "arms_router_apply_adapter")
  }
}

private func replacedCandidates(
  _ pointer: UnsafePointer<arms_reload_options>?
) throws(ARMSError) -> ReplacedCandidates {
  guard let pointer else { return .fromReplacement }
  let options = try read(pointer, "options")
  let keep = UInt32(ARMS_RELOAD_KEEP_CANDIDATES.rawValue)
  guard options.flags & ~keep == 0 else {
    throw ARMSError(
      .invalidArgument,
      "options.flags is \(options.flags); only ARMS_RELOAD_KEEP_CANDIDATES (\(keep)) is known")
  }
  return options.flags & keep != 0 ? .present : .fromReplacement
}

/// Describes a router. Documented in `arms.h`.
@_cdecl("arms_router_describe") @implementation
public func arms_router_describe(
  _ router: OpaquePointer?, _ info: UnsafeMutablePointer<arms_router_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let description = try ARMSABI.router(router).description
    var result = arms_router_info()
    result.fusion = fusionCode(description.fusion)
    result.head = UInt32(description.head == .paper ? ARMS_HEAD_PAPER.rawValue : ARMS_HEAD_SCALED.rawValue)
    result.expert_count = UInt32(clamping: description.experts)
    result.text_width = UInt32(clamping: description.textWidth)
    result.image_width = UInt32(clamping: description.imageWidth)
    result.patch_width = UInt32(clamping: description.patchWidth)
    result.image_tokens = UInt32(clamping: description.imageTokens)
    result.image_size = UInt32(clamping: description.imageSize)
    result.max_images = UInt32(clamping: description.maxImages)
    result.max_question_tokens = UInt32(clamping: description.maxQuestionTokens)
    result.shared_width = UInt32(clamping: description.sharedWidth)
    result.router_count = UInt32(clamping: description.routers)
    result.threads = UInt32(clamping: description.threads)
    result.candidate_count = UInt64(clamping: description.candidates)
    result.generation = description.generation
    try write(result, to: try required(info, "info"), "info")
  }
}

private func fusionCode(_ fusion: Fusion) -> UInt32 {
  switch fusion {
  case .pooled: UInt32(ARMS_FUSION_POOLED.rawValue)
  case .patches: UInt32(ARMS_FUSION_PATCHES.rawValue)
  case .concat: UInt32(ARMS_FUSION_CONCAT.rawValue)
  }
}

/// Says what memory a router holds. Documented in `arms.h`.
@_cdecl("arms_router_memory") @implementation
public func arms_router_memory(
  _ router: OpaquePointer?, _ memory: UnsafeMutablePointer<arms_memory>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let held = try ARMSABI.router(router).memory
    var result = arms_memory()
    result.mapped_bytes = UInt64(clamping: held.mapped)
    result.weight_bytes = UInt64(clamping: held.weights)
    result.candidate_bytes = UInt64(clamping: held.candidates)
    result.scratch_bytes = UInt64(clamping: held.scratch)
    try write(result, to: try required(memory, "memory"), "memory")
  }
}
