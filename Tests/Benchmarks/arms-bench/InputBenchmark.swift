import ARMS

/// What comes before a route: an image file to pixels, a question to token ids. Both run on one thread.
struct InputBenchmark {
  let workload: Workload
  let image: UnsafeRawBufferPointer
  let seconds: Double

  func run() throws(ARMSError) -> Table {
    let router = workload.router
    var table = Table("inputs", ["work", "least_ms", "median_ms", "p90_ms", "p99_ms"])
    let pixels = UnsafeMutablePointer<Float>.allocate(capacity: router.preparedCount)
    defer { pixels.deallocate() }
    for exact in [false, true] {
      let input = ImageInput(.encoded(image), exact: exact)
      let timings = try Timings(seconds: seconds) { () throws(ARMSError) in
        try router.prepare(input) { _ in pixels }
      }
      table.add([.text(exact ? "decode at full size and prepare" : "decode and prepare")] + timings.cells)
    }
    let text = Array(Workload.text.utf8)
    let tokenising = try Timings(seconds: seconds) { () throws(ARMSError) in
      try text.withUnsafeBufferPointer { (bytes) throws(ARMSError) in _ = try router.tokenize(bytes) }
    }
    table.add([.text("tokenise a question of 15 words")] + tokenising.cells)
    return table
  }
}
