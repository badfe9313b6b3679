import CKernels

/// What the layers of one call run on: kernels, threads and scratch memory.
package struct Execution {
  let kernels: ck_kernels
  let pool: ThreadPool
  package let arena: ScratchArena
  let counters: Counters
  fileprivate let scratch: ScratchPool

  /// Splits `rows` rows into pieces of at least `minimum` rows, two for each thread.
  func rowsPerPiece(_ rows: Int, minimum: Int) -> Int {
    max(minimum, (rows + 2 * pool.threads - 1) / (2 * pool.threads))
  }

  /// Runs `body` with the calling thread alone and scratch memory of its own, for what goes on beside this execution.
  func alone(_ body: (Execution) throws(ARMSError) -> Void) throws(ARMSError) {
    try Execution.with(scratch, kernels: kernels, pool: .callerAlone, counters: counters, body)
  }

  /// Runs `body` with an arena of `scratch`.
  static func with<R>(
    _ scratch: ScratchPool, kernels: ck_kernels, pool: ThreadPool, counters: Counters,
    _ body: (Execution) throws(ARMSError) -> R
  ) throws(ARMSError) -> R {
    try scratch.withArena { (arena) throws(ARMSError) in
      try body(
        Execution(kernels: kernels, pool: pool, arena: arena, counters: counters, scratch: scratch))
    }
  }
}
