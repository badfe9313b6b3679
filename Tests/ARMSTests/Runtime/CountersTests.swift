import Testing

@testable import ARMS

@Suite struct CountersTests {
  @Test func aBucketHoldsWhatItsBoundsSay() throws {
    let last = Histogram.bucketCount - 1
    #expect(Histogram.bound(ofBucket: last) == nil && Histogram.bound(ofBucket: -1) == nil)
    for bucket in 0..<last {
      let bound = try #require(Histogram.bound(ofBucket: bucket))
      #expect(Histogram.bucket(of: bound) == bucket && Histogram.bucket(of: bound + 1) == bucket + 1)
      if bucket > 0 { #expect(bound > Histogram.bound(ofBucket: bucket - 1) ?? .max) }
    }
    #expect(Histogram.bucket(of: 0) == 0 && Histogram.bucket(of: .max) == last)
    #expect(Histogram.bound(ofBucket: 0) == 1_024 && Histogram.bound(ofBucket: 1) == 1_536)
  }

  @Test func threadsLoseNothing() {
    let counters = Counters()
    Threads.run(20) { number in
      for _ in 0..<1_000 {
        counters.add(.routes)
        counters.add(.scoredQueries, 3)
        counters.add(.text, nanoseconds: UInt64(number) * 1_000)
        counters.add(.io)
      }
    }
    #expect(counters.count(.routes) == 20_000 && counters.count(.scoredQueries) == 60_000)
    #expect(counters.count(.abstentions) == 0 && counters.errorCount(5) == 20_000)
    let histogram = counters.histogram(.text)
    #expect(histogram.count == 20_000 && histogram.nanoseconds == 190_000_000)
    #expect(counters.histogram(.head).count == 0)
  }

  @Test func timesOnlyWhatSucceeds() {
    let counters = Counters()
    let error = failure {
      try counters.countingErrors { () throws(ARMSError) in
        try counters.measure(.head) { () throws(ARMSError) in throw ARMSError(.io, "gone") }
      }
    }
    #expect(error?.code == .io && counters.histogram(.head).count == 0 && counters.errorCount(5) == 1)
    counters.measure(.head) {}
    #expect(counters.histogram(.head).count == 1)
  }

  @Test func aChildOfAForkCountsOn() {
    let counters = Counters()
    counters.add(.routes)
    #expect(
      inChild {
        counters.add(.routes)
        return Int32(counters.count(.routes))
      } == 2)
    #expect(counters.count(.routes) == 1)
  }
}
