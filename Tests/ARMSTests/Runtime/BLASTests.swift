import Testing

@testable import ARMS

@Suite struct BLASTests {
  /// OpenBLAS has work buffers for some hundred products, complains where more want one, and then crashes: each of
  /// these threads would hold one over several turns of the system.
  @Test func moreThreadsMultiplyThanOpenBLASHasBuffersFor() throws {
    try BLAS.load()
    let (size, depth, threads) = (64, 1 << 16, 1_000)
    let ones = try AlignedBuffer(Float.self, count: size * depth, purpose: "an operand")
    ones.pointer(to: Float.self).update(repeating: 1, count: size * depth)
    let (wrong, together) = (Counter(), Barrier(threads))
    Threads.run(threads) { _ in
      var out = [Float](repeating: 0, count: size * size)
      let operand = ones.pointer(to: Float.self)
      together.wait()
      BLAS.multiply(
        BLAS.Operand(operand, stride: depth), BLAS.Operand(operand, stride: depth, transposed: true),
        rows: size, columns: size, depth: depth, out: &out, stride: size)
      if !out.allSatisfy({ $0 == Float(depth) }) { wrong.add() }
    }
    #expect(wrong.value == 0)
  }
}
