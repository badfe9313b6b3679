import Testing

@testable import ARMS

/// A file that the Python package `gguf` wrote; see Tests/Fixtures/make_gguf.py for its content.
@Suite struct ModelFileTests {
  let model: ModelFile

  init() throws { model = try ModelFile(path: fixture("every_type.gguf"), copy: false) }

  @Test func listsKeysAndTensorsInOrder() {
    #expect(model.keys.count == 25)
    #expect(
      model.keys.prefix(4) == ["general.architecture", "general.alignment", "arms.format_version", "test.u8"])
    #expect(model.tensorNames == ["f32", "f16", "i8", "i32", "bf16", "q8_0"])
    #expect(model.has("test.u8") && !model.has("test.u9"))
  }

  @Test func readsScalars() throws {
    #expect(try model.string("test.text") == "naïve 😀")
    #expect(try model.string("test.empty") == "")
    #expect(try model.uint32("test.u8") == 200)
    #expect(try model.uint32("test.u16") == 60_000)
    #expect(try model.uint32("test.width") == 512)
    #expect(try model.float("test.f32") == 0.5)
    #expect(try model.float("test.f64") == 0)
    #expect(try model.bool("test.true"))
    #expect(try !model.bool("test.false"))
    #expect(model.value("test.i8")?.integer == -100)
    #expect(model.value("test.i16")?.integer == -30_000)
    #expect(model.value("test.i32")?.integer == -2_000_000_000)
    #expect(model.value("test.i64")?.integer == Int.min)
    #expect(model.value("test.u64")?.type == .uint64 && model.value("test.u64")?.integer == nil)
  }

  @Test func readsArrays() throws {
    #expect(try model.uint32Array("test.u32s") == [0, 1, .max])
    #expect(try model.int32Array("test.i32s") == [.min, 0, .max])
    #expect(try model.floatArray("test.f32s") == [0.25, -1.5, .infinity])
    let doubles = try model.float64Array("test.f64s")
    #expect(doubles.count == 2 && doubles[0] == 0.1 && doubles[1].isNaN)
    #expect(try model.boolArray("test.bools") == [true, false, true])
    #expect(try model.stringArray("test.strings") == ["[PAD]", "", "##né", "日本"])
  }

  @Test func stringsOutliveTheModel() throws {
    func strings() throws -> StringArray {
      try ModelFile(path: fixture("every_type.gguf"), copy: true).strings("test.strings")
    }
    let strings = try strings()
    #expect(strings.count == 4)
    #expect((0..<4).map { String(decoding: strings[$0], as: UTF8.self) } == ["[PAD]", "", "##né", "日本"])
  }

  @Test func readsTensorsRowMajorAndAligned() throws {
    let f32 = try model.tensor("f32", type: .f32, shape: [2, 3])
    #expect(elements(f32, Float.self) == [0, 1, 2, 3, 4, 5])
    #expect(elements(try model.tensor("f16", type: .f16, shape: [2, 3]), UInt16.self).last == 0x4500)
    #expect(
      elements(try model.tensor("i8", type: .i8, shape: [1, 2, 3]), Int8.self) == [-3, -2, -1, 0, 1, 2])
    #expect(elements(try model.tensor("i32", type: .i32, shape: [2, 3]), Int32.self).last == -500_000)
    #expect(elements(try model.tensor("bf16", type: .bf16, shape: [2, 3]), UInt16.self).last == 0x40a0)
    for name in model.tensorNames {
      #expect(Int(bitPattern: model.tensor(name)?.data.baseAddress) % 64 == 0)
    }
    #expect(model.tensor("nothing") == nil)
  }

  @Test func listsATensorOfAnUnknownTypeAndRefusesItWhenAsked() throws {
    #expect(model.tensor("q8_0")?.data.isEmpty == true)
    let error = failure { try model.tensor("q8_0", type: .i8, shape: [1, 32]) }
    #expect(error?.message.hasSuffix("tensor \"q8_0\" is ggml type 8 [1, 32]; I8 [1, 32] is wanted") == true)
  }

  @Test func takesDefaultsForMissingKeysOnly() throws {
    #expect(try model.uint32("none", default: 7) == 7)
    #expect(try model.uint32("test.u8", default: 7) == 200)
    #expect(try model.float("none", default: 7) == 7)
    #expect(try model.string("none", default: "x") == "x")
    #expect(failure { try model.uint32("test.text", default: 7) } != nil)
  }

  @Test func namesFileKeyFoundAndWanted() throws {
    func check<T>(_ text: String, _ body: () throws -> T) {
      let error = failure(body)
      #expect(error?.code == .invalidModel)
      #expect(error?.message == "\(model.path): \(text)")
    }
    check("has no key \"none\"; a string is wanted") { try model.string("none") }
    check("key \"test.u8\" is of type uint8; a string is wanted") {
      try model.string("test.u8")
    }
    check("key \"test.i8\" is -100; 0 to 2147483647 is wanted") {
      try model.uint32("test.i8")
    }
    check("key \"test.u32\" is 4000000000; 0 to 2147483647 is wanted") {
      try model.uint32("test.u32")
    }
    check("key \"test.nan\" is nan; a finite number is wanted") {
      try model.float("test.nan")
    }
    check("key \"test.bools\" is of type array of 3 bool; a bool is wanted") {
      try model.bool("test.bools")
    }
    check("key \"test.i32s\" is of type array of 3 int32; an array of uint32 is wanted") {
      try model.uint32Array("test.i32s")
    }
    check("has no tensor \"x\"; F32 [2] is wanted") {
      try model.tensor("x", type: .f32, shape: [2])
    }
    check("tensor \"f16\" is F16 [2, 3]; F32 [3, 2] is wanted") {
      try model.tensor("f16", type: .f32, shape: [3, 2])
    }
  }

  @Test func refusesAnotherArchitectureByName() {
    let error = failure { try ModelFile(path: fixture("llama.gguf"), copy: false) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("architecture \"llama\"; \"arms\" is wanted") == true)
  }
}
