import CKernels

/// What the layers of one call run on: kernels, threads and scratch memory.
package struct Execution {
  let kernels: ck_kernels
  let pool: ThreadPool
  package let arena: ScratchArena
  let counters: Counters
  /// How linear layers with float weights multiply.
  private(set) var product = MatrixProduct.float32
  fileprivate let scratch: ScratchPool

  /// Splits `rows` rows into pieces of at least `minimum` rows, two for each thread.
  func rowsPerPiece(_ rows: Int, minimum: Int) -> Int {
    max(minimum, (rows + 2 * pool.threads - 1) / (2 * pool.threads))
  }

  /// The same execution, on which linear layers with float weights multiply operands rounded to bfloat16. Ends with the
  /// arena's present scope.
  func roundingProducts() throws(ARMSError) -> Execution {
    var result = self
    let room = try arena.allocate(UInt8.self, Int(ck_gemm_scratch) * pool.threads)
    result.product = .bfloat16(
      kernels, scratch: UnsafeMutableRawPointer(room), threads: pool.threads)
    return result
  }

  /// The same execution with products in float32, for what is too small to gain and too sensitive to be rounded.
  var inFloat32: Execution {
    var result = self
    result.product = .float32
    return result
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
