import ARMSABI
import CARMS
import Glibc

/// The small models and the places that the targets share.
enum Host {
  private static let fixtures =
    #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/Fixtures"

  private static let models = [
    "distilbert-patches-scaled-int8", "bert-pooled-scaled", "distilbert-concat-scaled",
    "distilbert-patches-scaled-bf16", "bert-patches-paper-int8",
  ]

  /// The path of a model; every number names one.
  static func model(_ number: Int) -> String { "\(fixtures)/models/\(models[number % models.count]).gguf" }

  /// Routers of the first two models, opened once; in memory of their own, so that a step beyond is seen.
  nonisolated(unsafe) static let routers: [OpaquePointer] = (0..<2).map { number in
    guard let router = open(model(number), options(flags: UInt32(ARMS_OPEN_COPY.rawValue))) else {
      fatalError("\(model(number)) cannot be opened")
    }
    return router
  }

  /// A folder in memory that is gone when this process is.
  static let folder: String = {
    let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    let path = "\(parent)/arms-fuzz.\(getpid())"
    mkdir(path, 0o700)
    atexit {
      for name in ["saved.gguf", "run.ckpt", "sound.ckpt", "sound.gguf"] { unlink("\(Host.folder)/\(name)") }
      rmdir(Host.folder)
    }
    return path
  }()

  static func options(threads: UInt32 = 1, flags: UInt32 = 0) -> arms_open_options {
    var options = arms_open_options()
    options.struct_size = UInt32(MemoryLayout<arms_open_options>.size)
    options.threads = threads
    options.flags = flags
    // Enough for every code path, and little enough to be fast.
    options.max_image_pixels = 1 << 20
    return options
  }

  /// A router of the file at `path`, or nil if it is refused.
  static func open(_ path: String, _ options: arms_open_options) -> OpaquePointer? {
    var (router, options): (OpaquePointer?, arms_open_options) = (nil, options)
    let status = call { arms_router_open(path, &options, &router, $0) }
    require((status == 0) == (router != nil), "status \(status) and the handle contradict one another")
    return router
  }

  /// Calls a function of the library and checks what it says of a failure.
  @discardableResult
  static func call(_ body: (UnsafeMutablePointer<OpaquePointer?>) -> arms_status) -> arms_status {
    var error: OpaquePointer?
    let status = body(&error)
    require((status == 0) == (error == nil), "status \(status) and the error contradict one another")
    guard let error else { return status }
    defer { arms_error_free(error) }
    let message = arms_error_message(error).map { String(cString: $0) } ?? ""
    require(arms_error_status(error) == status, "the error has another status")
    require(!message.isEmpty && !message.utf8.contains(10), "the message is not one line: '\(message)'")
    require(
      (1...Int32(ARMS_ERROR_BUSY.rawValue)).contains(status) && status != Int32(ARMS_ERROR_INTERNAL.rawValue),
      "status \(status): '\(message)'")
    return status
  }
}

/// A file of this process alone, in memory where the system has such a folder.
final class MemoryFile {
  let path = "\(Host.folder)/input.gguf"

  init(_ parts: [UnsafeRawBufferPointer]) {
    guard let file = fopen(path, "wb") else { fatalError("\(path) cannot be written") }
    for part in parts {
      guard fwrite(part.baseAddress, 1, part.count, file) == part.count else {
        fatalError("\(path) cannot be written")
      }
    }
    fclose(file)
  }

  deinit { unlink(path) }
}
