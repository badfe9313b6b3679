import Glibc
import Synchronization

/// A part of the library that is fed with bytes from outside.
enum FuzzTarget: String, CaseIterable, Sendable {
  /// Opens a model file, routes with it, saves it and opens what was saved.
  case model
  /// Decodes and prepares a JPEG.
  case jpeg
  /// Decodes and prepares a PNG, as it is and with its checksums made right.
  case png
  /// Makes a tokenizer of a vocabulary and gives it a text.
  case tokenizer
  /// Routes a question and an image.
  case route
  /// Calls functions of the C ABI with arguments of every kind.
  case exports
  /// Fills data sets and trains on them.
  case dataset
  /// Resumes a trainer from a checkpoint and goes on.
  case checkpoint
  /// Adds an adapter to a router, routes with it, saves it and opens what was saved.
  case adapter

  /// Gives the target one input. What must never be ends the process.
  func run(_ bytes: UnsafeRawBufferPointer) {
    switch self {
    case .model: fuzzModel(bytes)
    case .jpeg: fuzzJPEG(bytes)
    case .png: fuzzPNG(bytes)
    case .tokenizer: fuzzTokenizer(bytes)
    case .route: fuzzRoute(bytes)
    case .exports: fuzzExports(bytes)
    case .dataset: fuzzDataSet(bytes)
    case .checkpoint: fuzzCheckpoint(bytes)
    case .adapter: fuzzAdapter(bytes)
    }
  }
}

/// The target that this process runs, as its place in `allCases`.
private let chosen = Atomic<Int>(0)

/// Takes the target's name, the first argument, out of the arguments.
@_cdecl("LLVMFuzzerInitialize")
public func initializeFuzzer(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
  let names = FuzzTarget.allCases.map(\.rawValue)
  let list = arguments.pointee
  guard count.pointee > 1, let name = list[1], let index = names.firstIndex(of: String(cString: name)) else {
    print("usage: arms-fuzz \(names.joined(separator: "|")) [FILE or libFuzzer's arguments]...")
    exit(2)
  }
  chosen.store(index, ordering: .relaxed)
  // The program's name takes the place of the target's, and the list begins one later.
  list[1] = list[0]
  arguments.pointee = list + 1
  count.pointee -= 1
  return 0
}

/// Gives the chosen target one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  let began = clock()
  FuzzTarget.allCases[chosen.load(ordering: .relaxed)].run(UnsafeRawBufferPointer(start: data, count: count))
  // Of this process, not of the clock on the wall: a busy machine is no fault of the input.
  let seconds = Double(clock() - began) / Double(CLOCKS_PER_SEC)
  require(seconds < 5, "the input takes \(seconds) s of processor time")
  return 0
}

/// Ends the process if `condition` does not hold.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { fatalError("violated: \(message())") }
}
