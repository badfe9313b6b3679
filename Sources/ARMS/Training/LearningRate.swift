import Glibc

/// The learning rate over a run: a linear warm-up, then constant or along half a cosine down to 0.
public struct LearningRate: Sendable, Equatable {
  /// What follows the warm-up.
  public enum Shape: String, Sendable, CaseIterable {
    /// The peak to the end.
    case constant
    /// `(1 + cos(pi x)) / 2` of the peak, x from 0 to 1.
    case cosine
  }

  /// The largest rate.
  public var peak: Double
  /// Steps over which it rises from 0.
  public var warmup: Int
  /// What follows.
  public var shape: Shape

  /// Makes a schedule; the peak's default is the paper's.
  public init(peak: Double = 8e-5, warmup: Int = 0, shape: Shape = .constant) {
    self.peak = peak
    self.warmup = warmup
    self.shape = shape
  }

  /// The rate of step `step`, counted from 0, of a run of `steps`.
  public func rate(step: Int, of steps: Int) -> Double {
    if step < warmup { return peak * (Double(step) + 1) / Double(warmup) }
    switch shape {
    case .constant: return peak
    case .cosine:
      let progress = Double(step - warmup) / Double(max(1, steps - warmup))
      return peak * (1 + cos(Double.pi * min(1, progress))) / 2
    }
  }
}
