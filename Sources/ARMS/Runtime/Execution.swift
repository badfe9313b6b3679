import CKernels

/// What the layers of one call run on: kernels, threads and scratch memory.
package struct Execution {
  let kernels: ck_kernels
  let pool: ThreadPool
  package let arena: ScratchArena
  let counters: Counters

  /// Splits `rows` rows into pieces of at least `minimum` rows, two for each thread.
  func rowsPerPiece(_ rows: Int, minimum: Int) -> Int {
    max(minimum, (rows + 2 * pool.threads - 1) / (2 * pool.threads))
  }
}
