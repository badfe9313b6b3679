import ARMS

/// One route, prepared pixels and token ids to decision, and its parts.
struct RouteBenchmark {
  let workloads: [(threads: Int, workload: Workload)]
  let seconds: Double

  private static let lengths = [16, 32, 64, 128]
  private static let batches = [1, 8, 32]

  /// Latency by threads and length of the question, beside the time at the peak for all multiply-adds of both
  /// encoders. The peak is measured before each row and once after the last.
  func latencies(_ peak: inout Peak) throws(ARMSError) -> Table {
    var rows: [(threads: Int, tokens: Int, timings: Timings, work: MultiplyAdds)] = []
    for (threads, workload) in workloads {
      for tokens in Self.lengths where tokens <= workload.router.description.maxQuestionTokens {
        peak.measure(threads: [threads], seconds: 0.2)
        let query = workload.query(tokens: tokens)
        let timings = try Timings(seconds: seconds) { () throws(ARMSError) in
          _ = try workload.router.route(query)
        }
        rows.append((threads, tokens, timings, try workload.router.multiplyAdds(tokens: tokens)))
      }
    }
    peak.measure(threads: workloads.map(\.threads), seconds: 0.2)
    var table = Table(
      "route",
      [
        "threads", "tokens", "least_ms", "median_ms", "p90_ms", "p99_ms", "routes", "gmac", "times_peak",
        "share_of_peak",
      ])
    for row in rows {
      let work = row.work.text + row.work.image
      let ratio = peak.milliseconds(work, threads: row.threads).map { row.timings.median / $0 }
      let cells: [Cell] = [
        .count(row.timings.samples.count), .number(Double(work) / 1e9, digits: 2), .ratio(ratio ?? 0),
        .ratio(ratio.map { 1 / $0 } ?? 0),
      ]
      table.add([.count(row.threads), .count(row.tokens)] + row.timings.cells + cells)
    }
    return table
  }

  /// Queries scored together: the time of each.
  func batchLatencies() throws(ARMSError) -> Table {
    var table = Table("batch", ["threads", "queries", "median_ms_per_query", "p90_ms_per_query"])
    for (threads, workload) in workloads {
      for batch in Self.batches {
        let queries = Array(repeating: workload.query(), count: batch)
        let columns = workload.router.candidates.count
        let scores = UnsafeMutablePointer<Float>.allocate(capacity: batch * columns)
        defer { scores.deallocate() }
        let timings = try Timings(seconds: seconds, warmUp: 1) { () throws(ARMSError) in
          try workload.router.score(queries) { _ in scores }
        }
        table.add([
          .count(threads), .count(batch), .milliseconds(timings.median / Double(batch)),
          .milliseconds(timings.quantile(0.9) / Double(batch)),
        ])
      }
    }
    return table
  }

  /// The encoders and the head apart.
  func parts() throws(ARMSError) -> Table {
    var table = Table("parts", ["threads", "part", "least_ms", "median_ms", "p90_ms", "p99_ms"])
    for (threads, workload) in workloads {
      let router = workload.router
      let image = try Timings(seconds: seconds) { () throws(ARMSError) in
        _ = try router.encode(image: workload.prepared)
      }
      let text = try Timings(seconds: seconds) { () throws(ARMSError) in
        _ = try router.encode(question: workload.question())
      }
      let encoded = Query(
        .encoded(try router.encode(question: workload.question())),
        images: [.encoded(try router.encode(image: workload.prepared))])
      let head = try Timings(seconds: seconds) { () throws(ARMSError) in _ = try router.route(encoded) }
      for (name, timings) in [("image encoder", image), ("text encoder", text), ("head", head)] {
        table.add([.count(threads), .text(name)] + timings.cells)
      }
    }
    return table
  }
}

extension Timings {
  /// The least, median, p90 and p99: the first is what a busy machine disturbs least.
  var cells: [Cell] { [samples[0], median, quantile(0.9), quantile(0.99)].map { .milliseconds($0) } }
}
