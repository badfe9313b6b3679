import CKernels
import Testing

@Suite struct DispatchTests {
  @Test func scalarIsAlwaysThere() {
    #expect(ISA.scalar.testDescription == "scalar")
  }

  @Test(arguments: ISA.available)
  func tablesCarryTheirNameAndEveryKernel(_ isa: ISA) {
    #expect(String(cString: isa.kernels.isa) == isa.testDescription)
    #expect(isa.kernels.linear_u8s8 != nil && isa.kernels.quantize_rows != nil)
    #expect(isa.kernels.layer_norm != nil && isa.kernels.layer_norm_quantize != nil)
    #expect(isa.kernels.attention != nil && isa.kernels.bias_activation != nil)
    #expect(isa.kernels.softmax != nil && isa.kernels.gemv != nil)
    #expect(isa.kernels.gemv_transposed != nil && isa.kernels.dot != nil && isa.kernels.gemm_bf16 != nil)
    #expect(isa.kernels.activation_backward != nil && isa.kernels.layer_norm_backward != nil)
    #expect(isa.kernels.adamw != nil && isa.kernels.resample_columns != nil)
    #expect(isa.kernels.resample_row != nil)
  }

  @Test func anUnknownNameHasNoKernels() {
    #expect(ck_kernels_named("sse") == nil)
    #expect(ck_kernels_named("") == nil)
    #expect(ck_kernels_named(nil) == nil)
  }

  @Test func theBestIsOneOfThem() throws {
    let best = try #require(ck_kernels_best())
    #expect(best == ck_kernels_named(best.pointee.isa))
    #expect(best == ck_kernels_best())
  }
}
