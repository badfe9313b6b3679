/// How often times of each length were seen.
///
/// Two buckets an octave, from a microsecond to ten seconds: a quantile is known to a third.
public struct Histogram: Sendable, Equatable {
  /// Buckets, the last one without a bound.
  public static let bucketCount = 48

  /// The sum of the times.
  public let nanoseconds: UInt64
  /// `[bucketCount]`: times above the bound of the bucket before, and not above its own.
  public let buckets: [UInt64]

  /// Times that were seen.
  public var count: UInt64 { buckets.reduce(0, &+) }

  /// The upper bound of a bucket in nanoseconds: 1,024, 1,536, 2,048, 3,072 and so on; nil for the last.
  public static func bound(ofBucket index: Int) -> UInt64? {
    guard (0..<bucketCount - 1).contains(index) else { return nil }
    return (index % 2 == 0 ? 1_024 : 1_536) << UInt64(index / 2)
  }

  /// The bucket of a time.
  static func bucket(of nanoseconds: UInt64) -> Int {
    guard nanoseconds > 1_024 else { return 0 }
    // Of n - 1 the two highest bits: a bound belongs to the bucket that it ends.
    let below = nanoseconds - 1
    let octave = UInt64.bitWidth - 1 - below.leadingZeroBitCount
    let half = Int(truncatingIfNeeded: below >> UInt64(octave - 1)) & 1
    return min(2 * (octave - 10) + half + 1, bucketCount - 1)
  }
}
