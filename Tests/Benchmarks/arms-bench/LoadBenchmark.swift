import ARMS
import Glibc

/// Opening a model file up to the first decision, and the memory after 100 routes: each in a process of its own,
/// with the file in the page cache.
struct LoadBenchmark {
  let model: String

  private static let processes = 9
  private static let routes = 100

  func run() throws(ARMSError) -> (load: Table, memory: Table) {
    let reports = try (0..<Self.processes).map { (_) throws(ARMSError) in try Self.spawn(model) }
    func median(_ index: Int) -> Double { reports.map { Double($0[index]) }.sorted()[Self.processes / 2] }
    var load = Table("load", ["step", "median_ms"])
    for (index, step) in ["open", "first route", "open to first decision"].enumerated() {
      load.add([.text(step), .milliseconds(median(index) / 1e6)])
    }
    var memory = Table("memory", ["after", "resident_mb", "anonymous_mb", "proportional_mb"])
    for (index, moment) in ["start", "open", "first route", "100 routes"].enumerated() {
      memory.add(
        [.text(moment)] + (0..<3).map { .megabytes(Int(median(3 + 3 * index + $0))) })
    }
    return (load, memory)
  }

  /// What the child process does: opens, routes, and prints nanoseconds and bytes.
  static func child(_ model: String) throws(ARMSError) {
    var memory = [Memory.now()]
    let begin = nanoseconds()
    let workload = try Workload(model: model, threads: 0)
    let opened = nanoseconds()
    memory.append(.now())
    let query = workload.query()
    let asked = nanoseconds()
    _ = try workload.router.route(query)
    let decided = nanoseconds()
    memory.append(.now())
    for _ in 1..<routes { _ = try workload.router.route(query) }
    memory.append(.now())
    let times = [opened - begin, decided - asked, opened - begin + decided - asked].map { Int($0) }
    let bytes = memory.flatMap { [$0.resident, $0.anonymous, $0.proportional] }
    print((times + bytes).map(String.init).joined(separator: " "))
  }

  /// Runs this program as the child and returns what it printed.
  private static func spawn(_ model: String) throws(ARMSError) -> [Int] {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw ARMSError(.io, "a pipe cannot be made") }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    let command = ["arms-bench", "--child", model]
    var arguments = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process = pid_t()
    let status = posix_spawn(&process, "/proc/self/exe", &actions, nil, &arguments, environ)
    close(ends[1])
    guard status == 0 else { throw ARMSError(.io, "the program cannot start itself again") }
    // The line fits a pipe's buffer: once the child has ended, all of it is there.
    waitpid(process, nil, 0)
    var line = [UInt8](repeating: 0, count: 1_024)
    let count = read(ends[0], &line, line.count)
    let words = String(decoding: line.prefix(max(0, count)), as: UTF8.self).split(
      whereSeparator: \.isWhitespace)
    let numbers = words.compactMap { Int($0) }
    guard numbers.count == 15 else { throw ARMSError(.internal, "the child process did not report") }
    return numbers
  }
}
