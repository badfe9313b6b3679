import CKernels

/// The threads, the scratch memory and the counters of a router.
final class Engine: Sendable {
  let pool: ThreadPool
  let scratch = ScratchPool()
  let counters = Counters()

  init(threads: Int) { pool = ThreadPool(threads: threads) }

  /// Runs `body` with scratch memory of its own.
  func execute<R>(_ body: (Execution) throws(ARMSError) -> R) throws(ARMSError) -> R {
    try Execution.with(scratch, kernels: ck_kernels_best().pointee, pool: pool, counters: counters, body)
  }
}

extension Router {
  /// Runs `body` with scratch memory of its own, for the calls that take an ``Execution``.
  package func execute(_ body: (Execution) throws(ARMSError) -> Void) throws(ARMSError) {
    try engine.execute(body)
  }
}
