import Glibc

/// Nanoseconds of a clock: by default of one that only goes forward.
func nanoseconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> UInt64 {
  var time = timespec()
  clock_gettime(clock, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// How long repetitions of one thing took.
struct Timings {
  /// Milliseconds, ascending.
  let samples: [Double]

  /// Repeats `body` for some `seconds`, after a few repetitions that do not count.
  init<E: Error>(seconds: Double, warmUp: Int = 3, _ body: () throws(E) -> Void) throws(E) {
    for _ in 0..<warmUp { try body() }
    var samples: [Double] = []
    let end = nanoseconds() + UInt64(seconds * 1e9)
    while samples.count < 5 || nanoseconds() < end {
      let begin = nanoseconds()
      try body()
      samples.append(Double(nanoseconds() - begin) / 1e6)
    }
    self.samples = samples.sorted()
  }

  /// The sample below which `share` of all lie.
  func quantile(_ share: Double) -> Double {
    samples[min(samples.count - 1, Int(share * Double(samples.count)))]
  }

  var median: Double { quantile(0.5) }
}
