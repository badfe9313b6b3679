// Measures the engine on this machine, in its own process, without any binding in between.
//
//   swift run -c release arms-bench MODEL [--json]
//
// One route, in a figure, is: prepared pixels and token ids to decision, both encoders and the head.

import ARMS
import CKernels
import Glibc

func run(_ arguments: Arguments) throws(ARMSError) {
  if arguments.asChild { return try LoadBenchmark.child(arguments.model) }
  let workloads = try arguments.threads.map { (threads) throws(ARMSError) in
    (threads: threads, workload: try Workload(model: arguments.model, threads: threads))
  }
  let first = workloads[0].workload
  var peak = Peak()
  let routes = RouteBenchmark(workloads: workloads, seconds: arguments.seconds)
  if arguments.batchesOnly {
    let tables = [machine(first), try routes.batchLatencies()]
    return print(arguments.json ? json(tables) : tables.map(\.printed).joined(separator: "\n"))
  }
  let latencies = try routes.latencies(&peak)
  var tables = [machine(first), peak.table, latencies]
  if !arguments.routesOnly {
    let image = try encodedImage(arguments.image)
    let (load, memory) = try LoadBenchmark(model: arguments.model).run()
    tables += [
      try routes.parts(), try routes.batchLatencies(),
      try CallersBenchmark(workloads: workloads, seconds: 3 * arguments.seconds).run(),
      try InputBenchmark(workload: first, image: image, seconds: arguments.seconds).run(), load, memory,
    ]
  }
  print(arguments.json ? json(tables) : tables.map(\.printed).joined(separator: "\n"))
}

/// Where and with what the figures were measured.
func machine(_ workload: Workload) -> Table {
  var load = [0.0]
  getloadavg(&load, 1)
  let columns = [
    "cores", "kernels", "load_average", "fusion", "candidates", "mapped_mb", "private_weights_mb",
  ]
  var table = Table("machine", columns)
  let (router, memory) = (workload.router, workload.router.memory)
  table.add([
    .count(sysconf(Int32(_SC_NPROCESSORS_ONLN))), .text(String(cString: ck_kernels_best().pointee.isa)),
    .number(load[0], digits: 2), .text(router.description.fusion.rawValue), .count(router.candidates.count),
    .megabytes(memory.mapped), .megabytes(memory.weights + memory.candidates),
  ])
  return table
}

func fail(_ message: String, status: Int32) -> Never {
  let line = message + "\n"
  _ = write(STDERR_FILENO, line, line.utf8.count)
  exit(status)
}

guard let arguments = Arguments(Array(CommandLine.arguments.dropFirst())) else {
  fail(Arguments.usage, status: 2)
}
do throws(ARMSError) {
  try run(arguments)
} catch {
  fail("arms-bench: \(error.message)", status: 1)
}
