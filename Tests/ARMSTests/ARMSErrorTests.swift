import Testing

@testable import ARMS

@Suite struct ARMSErrorTests {
  @Test func describesItsCodeAndMessage() {
    #expect(ARMSError(.io, "no such file").description == "io: no such file")
  }

  @Test func keepsItsMessageOnOneLine() {
    let error = ARMSError(.io, "a\nb\0c\u{85}d\u{2028}e")
    #expect(error.message == "a\\nb\\0c\\u{0085}d\\u{2028}e")
    #expect(ARMSError(.io, "schön 圖 👍").message == "schön 圖 👍")
  }

  @Test func cutsAnAbsurdlyLongMessage() {
    let message = ARMSError(.io, String(repeating: "x", count: 1_000_000)).message
    #expect(message.utf8.count < 4_096)
    #expect(message.hasSuffix("..."))
  }
}
