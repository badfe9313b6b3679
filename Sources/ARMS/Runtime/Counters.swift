import Glibc
import Synchronization

/// What a router counts beside times.
package enum MetricCounter: Int, CaseIterable, Sendable {
  case routes, scores, scoredQueries, abstentions, secondRouter, truncatedQuestions, ignoredImages, reloads
  case reusedQuestions, reusedImages
}

/// What a router takes the time of.
public enum MetricStage: Int, CaseIterable, Sendable {
  /// A whole route, from the call to the decision.
  case route
  /// The tokens of the texts of a pass.
  case tokenize
  /// Decoding and preparing one image.
  case decode
  /// The text encoder, for the texts of a pass. It may run beside decoding and encoding images: then the parts' times
  /// are more than the route's together.
  case text
  /// The image encoder, for up to eight images.
  case image
  /// Gate, experts, mixture and the classifier's query side, for the queries of a pass.
  case head
}

/// Counters and histograms that every thread adds to without waiting for another.
///
/// Each thread adds to one of a few shards, chosen by its identity, with relaxed atomics; who reads adds the
/// shards up. A sum that is read while others add is one that was true of each counter at some time meanwhile.
package final class Counters: @unchecked Sendable {
  // Atomics, and a pointer that is written in the initialiser only; that is why @unchecked holds.
  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  /// Numbers of ``ARMSError/Code`` that are told apart.
  package static let errorCapacity = 32

  private static let shardBits: UInt = 4
  private static let errors = MetricCounter.allCases.count
  private static let histograms = errors + errorCapacity
  /// The sum of the times, and the buckets.
  private static let histogramWords = 1 + Histogram.bucketCount
  /// Words of a shard: whole pairs of cache lines, which processors fetch together.
  private static let stride = (histograms + MetricStage.allCases.count * histogramWords + 15) & ~15
  private static let wordCount = stride << Int(shardBits)

  package init() {
    words = .allocate(capacity: Self.wordCount)
    for index in 0..<Self.wordCount { (words + index).initialize(to: Atomic(0)) }
  }

  deinit {
    words.deinitialize(count: Self.wordCount)
    words.deallocate()
  }

  /// The shard of this thread: its address, spread by Fibonacci hashing.
  private var shard: UnsafeMutablePointer<Atomic<UInt64>> {
    let hash = UInt(pthread_self()) &* 0x9E37_79B9_7F4A_7C15
    return words + Self.stride * Int(truncatingIfNeeded: hash >> (UInt(UInt.bitWidth) - Self.shardBits))
  }

  private static func add(_ amount: UInt64, _ word: UnsafeMutablePointer<Atomic<UInt64>>) {
    word.pointee.wrappingAdd(amount, ordering: .relaxed)
  }

  private func sum(_ word: Int) -> UInt64 {
    (0..<1 << Int(Self.shardBits)).reduce(0) { sum, shard in
      sum &+ (words + shard * Self.stride + word).pointee.load(ordering: .relaxed)
    }
  }

  // MARK: Adding

  package func add(_ counter: MetricCounter, _ amount: Int = 1) {
    Self.add(UInt64(truncatingIfNeeded: amount), shard + counter.rawValue)
  }

  package func add(_ error: ARMSError.Code) {
    let number = Int(error.rawValue)
    if number < Self.errorCapacity { Self.add(1, shard + Self.errors + number) }
  }

  package func add(_ stage: MetricStage, nanoseconds: UInt64) {
    let histogram = shard + Self.histograms + stage.rawValue * Self.histogramWords
    Self.add(nanoseconds, histogram)
    Self.add(1, histogram + 1 + Histogram.bucket(of: nanoseconds))
  }

  /// Nanoseconds of a clock that only goes forward.
  package static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000
      &+ UInt64(truncatingIfNeeded: time.tv_nsec)
  }

  /// Runs `body` and adds the time it took, if it succeeds.
  package func measure<R, E: Error>(_ stage: MetricStage, _ body: () throws(E) -> R) throws(E) -> R {
    let start = Self.now
    let result = try body()
    add(stage, nanoseconds: Self.now &- start)
    return result
  }

  /// Runs `body` and counts its error, if it fails. A buffer that is too small is no failure: so a host asks for the
  /// size.
  package func countingErrors<R>(_ body: () throws(ARMSError) -> R) throws(ARMSError) -> R {
    do throws(ARMSError) {
      return try body()
    } catch {
      if error.code != .bufferTooSmall { add(error.code) }
      throw error
    }
  }

  // MARK: Reading

  package func count(_ counter: MetricCounter) -> UInt64 { sum(counter.rawValue) }

  /// How many errors of that number there were.
  package func errorCount(_ number: Int) -> UInt64 { sum(Self.errors + number) }

  package func histogram(_ stage: MetricStage) -> Histogram {
    let first = Self.histograms + stage.rawValue * Self.histogramWords
    return Histogram(
      nanoseconds: sum(first), buckets: (0..<Histogram.bucketCount).map { sum(first + 1 + $0) })
  }
}
