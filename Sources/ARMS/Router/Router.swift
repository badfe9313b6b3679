import CThreading

/// Chooses, per request, among vision-language models.
///
/// A router may be used from any number of threads at once. Its candidates and weights change by an atomic swap:
/// calls in flight finish on what they began with.
public final class Router: Sendable {
  /// How a model file is opened.
  public struct Options: Sendable {
    /// Read the file into memory instead of mapping it: slower and not shared with other processes, but a
    /// mapped file that is truncated meanwhile kills its readers with SIGBUS.
    public var copy = false
    /// Threads a call may use, the caller's included; 0: the cores that the process may use, fewer where its
    /// container is limited to less processor time.
    public var threads = 0
    /// The largest encoded image, in bytes.
    public var maxImageBytes = 64 << 20
    /// The largest image, width times height.
    public var maxImagePixels = 100_000_000

    /// The defaults.
    public init() {}
  }

  /// The most threads of a router.
  static let threadLimit = 1_024

  let snapshots: SnapshotCell<RouterSnapshot>
  let limits: ImageLimits
  let engine: Engine
  /// Whether model files are copied into memory instead of mapped.
  let copiesFiles: Bool

  /// Opens a model file.
  ///
  /// Throws `io`, `invalidModel`, `unsupported`, `outOfMemory` or `invalidArgument`.
  public init(path: String, options: Options = Options()) throws(ARMSError) {
    guard (0...Self.threadLimit).contains(options.threads) else {
      throw ARMSError(.invalidArgument, "threads is \(options.threads); 0 to \(Self.threadLimit) is wanted")
    }
    guard options.maxImageBytes > 0, options.maxImagePixels > 0 else {
      throw ARMSError(.invalidArgument, "the limits of an image must be above 0")
    }
    _ = Fork.epoch
    engine = Engine(threads: options.threads > 0 ? options.threads : Int(ct_usable_cores()))
    limits = ImageLimits(maxBytes: options.maxImageBytes, maxPixels: options.maxImagePixels)
    copiesFiles = options.copy
    snapshots = SnapshotCell(try RouterSnapshot(opening: path, copy: options.copy, on: engine))
  }
}

extension Router {
  /// The file of the present generation. Who reads more than this takes a snapshot.
  var file: ModelFile { snapshots.load().model.file }
  /// The networks of the present generation. Who reads more than these takes a snapshot.
  var networks: [RouterNetwork] { snapshots.load().model.networks }
}
