import CThreading

/// Chooses, per request, among vision-language models.
///
/// A router may be used from any number of threads at once. Its candidates change by an atomic swap: calls
/// in flight finish on what they began with.
public final class Router: Sendable {
  /// How a model file is opened.
  public struct Options: Sendable {
    /// Read the file into memory instead of mapping it: slower and not shared with other processes, but a
    /// mapped file that is truncated meanwhile kills its readers with SIGBUS.
    public var copy = false
    /// Threads a call may use, the caller's included; 0: the cores that the process may use.
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

  let file: ModelFile
  let networks: [RouterNetwork]
  let limits: ImageLimits
  let engine: Engine
  let snapshots: SnapshotCell<CandidateSnapshot>
  /// The theta of the cascade where the caller names none.
  let defaultTheta: Float

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
    let file = try ModelFile(path: path, copy: options.copy)
    let networks = try RouterNetwork.all(of: file)
    if networks.contains(where: \.needsBLAS) { try BLAS.load() }
    let engine = Engine(threads: options.threads > 0 ? options.threads : Int(ct_usable_cores()))
    self.file = file
    self.networks = networks
    self.engine = engine
    limits = ImageLimits(maxBytes: options.maxImageBytes, maxPixels: options.maxImagePixels)
    defaultTheta = try file.float("arms.cascade.theta", default: 0.5)
    guard (0...1).contains(defaultTheta) else {
      throw file.invalid("arms.cascade.theta is \(defaultTheta); 0 to 1 is wanted")
    }
    let pools = try networks.enumerated().map { (number, network) throws(ARMSError) in
      try network.storedCandidates(in: file, number: number, on: engine)
    }
    snapshots = SnapshotCell(CandidateSnapshot(generation: 1, pools: pools))
    try snapshots.load().checkNames(file)
  }
}

extension CandidateSnapshot {
  /// Throws if a name stands twice.
  fileprivate func checkNames(_ file: ModelFile) throws(ARMSError) {
    guard places.count == count else {
      throw file.invalid("holds two candidates of one name; names must be unique")
    }
  }
}
