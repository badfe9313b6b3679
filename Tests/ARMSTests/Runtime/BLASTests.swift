import CKernels
import Glibc
import Testing

@testable import ARMS

@Suite struct BLASTests {
  /// It knows processors by name, and those that it does not know it takes for what they were twenty years ago.
  @Test func openBLASUsesAVX512WhereTheProcessorHasIt() throws {
    try BLAS.load()
    let isSet = getenv("OPENBLAS_CORETYPE") != nil || getenv("ARMS_OPENBLAS") != nil
    guard ck_kernels_named("avx512vnni") != nil, !isSet else { return }
    let names: [String] = ["libscipy_openblas.so", "libopenblas.so.0", "libopenblas.so"]
    let library = try #require(names.lazy.compactMap { dlopen($0, RTLD_NOW | RTLD_NOLOAD) }.first)
    defer { dlclose(library) }
    let symbol = try #require(
      dlsym(library, "openblas_get_corename") ?? dlsym(library, "scipy_openblas_get_corename"))
    let coreName = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafePointer<CChar>).self)
    #expect(String(cString: coreName()) == "SkylakeX")
  }

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
