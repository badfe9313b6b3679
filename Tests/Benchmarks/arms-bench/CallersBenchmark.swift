import ARMS
import Glibc
import Synchronization

/// Host threads that route at once on one router, against one that has it alone.
struct CallersBenchmark {
  let workloads: [(threads: Int, workload: Workload)]
  let seconds: Double

  private static let callers = 8

  func run() throws(ARMSError) -> Table {
    var table = Table("callers", ["callers", "threads", "routes_per_s", "cpu_ms_per_route"])
    for callers in [1, Self.callers] {
      for (threads, workload) in workloads {
        let (rate, cpu) = try Self.rate(of: workload, callers: callers, seconds: seconds)
        table.add([.count(callers), .count(threads), .number(rate, digits: 2), .milliseconds(cpu)])
      }
    }
    return table
  }

  /// Routes a second of `callers` host threads together, and the CPU time of one in milliseconds, which does
  /// not count what others run on the machine.
  private static func rate(
    of workload: Workload, callers: Int, seconds: Double
  ) throws(ARMSError) -> (rate: Double, cpu: Double) {
    _ = try workload.router.route(workload.query())
    let caller = Caller(workload, until: nanoseconds() + UInt64(seconds * 1e9))
    let (begin, used) = (nanoseconds(), nanoseconds(CLOCK_PROCESS_CPUTIME_ID))
    var threads: [pthread_t] = []
    for _ in 0..<callers {
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { raw in
          guard let raw else { return nil }
          Unmanaged<Caller>.fromOpaque(raw).takeUnretainedValue().routeUntilEnd()
          return nil
        }, Unmanaged.passUnretained(caller).toOpaque())
      if status == 0 { threads.append(thread) }
    }
    for thread in threads { pthread_join(thread, nil) }
    // The threads only borrow the caller.
    let routes = withExtendedLifetime(caller) { Double(caller.routes.load(ordering: .relaxed)) }
    let cpu = Double(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - used) / 1e6
    return (routes / (Double(nanoseconds() - begin) / 1e9), cpu / max(1, routes))
  }
}

/// What the host threads share: the router, the end, and how many routes are done.
private final class Caller: @unchecked Sendable {
  // The workload's memory is only read, and a router is safe to share. That is why @unchecked holds.
  let routes = Atomic<Int>(0)
  private let workload: Workload
  private let end: UInt64

  init(_ workload: Workload, until end: UInt64) {
    self.workload = workload
    self.end = end
  }

  func routeUntilEnd() {
    let query = workload.query()
    while nanoseconds() < end {
      guard (try? workload.router.route(query)) != nil else { return }
      routes.add(1, ordering: .relaxed)
    }
  }
}
