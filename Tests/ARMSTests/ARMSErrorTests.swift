import Testing

@testable import ARMS

@Suite struct ARMSErrorTests {
  @Test func describesItsCodeAndMessage() {
    #expect(ARMSError(.io, "no such file").description == "io: no such file")
  }
}
