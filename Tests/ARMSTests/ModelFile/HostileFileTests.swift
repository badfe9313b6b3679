import Testing

@testable import ARMS

/// Files that are wrong in one way each. None may be read past its end, trap, or make the reader allocate
/// what it claims.
@Suite struct HostileFileTests {
  private typealias File = HandmadeGGUF

  private func expect(
    _ text: String, _ code: ARMSError.Code = .invalidModel, _ change: (inout HandmadeGGUF) -> Void,
    at location: SourceLocation = #_sourceLocation
  ) {
    var file = HandmadeGGUF()
    change(&file)
    let error = failure { try open(file.bytes) }
    #expect(error?.code == code, sourceLocation: location)
    #expect(error?.message.hasPrefix("test: ") == true, sourceLocation: location)
    #expect(
      error?.message.contains(text) == true, "\(error?.message ?? "no error")", sourceLocation: location)
  }

  @Test func theHandmadeFileIsSound() throws {
    var file = HandmadeGGUF()
    file.tensors = [File.tensor("a"), File.tensor("b", offset: 64)]
    file.data = [UInt8](repeating: 0, count: 128)
    #expect(try open(file.bytes).tensorNames == ["a", "b"])
    #expect(try open(HandmadeGGUF().bytes).tensorNames.isEmpty)
  }

  @Test func refusesOtherContainers() {
    expect("is not a GGUF file") { $0.magic = Array("PK\u{3}\u{4}".utf8) }
    expect("GGUF version 1;", .unsupported) { $0.version = 1 }
    expect("GGUF version 2;", .unsupported) { $0.version = 2 }
    expect("GGUF version 4;", .unsupported) { $0.version = 4 }
    expect("a big-endian GGUF file;", .unsupported) { $0.version = 3 << 24 }
    #expect(failure { try open([]) }?.message.contains("not a GGUF file") == true)
    #expect(failure { try open([0x47]) }?.message.contains("not a GGUF file") == true)
  }

  @Test func refusesOtherModels() {
    expect("has no string \"general.architecture\"") { $0.keys.removeFirst() }
    expect("has no string \"general.architecture\"") {
      $0.keys[0] = File.key("general.architecture", File.uint32(1))
    }
    expect("architecture \"ll\\nama\"", .unsupported) {
      $0.keys[0] = File.key("general.architecture", File.string("ll\nama"))
    }
    expect("has no integer \"arms.format_version\"") { $0.keys.removeLast() }
    expect("format version 2; 1 is read", .unsupported) {
      $0.keys[2] = File.key("arms.format_version", File.uint32(2))
    }
    expect("\"general.alignment\" is 32; 64 is wanted") { $0.keys.remove(at: 1) }
    for alignment: UInt32 in [0, 1, 48, 128, .max] {
      expect("\"general.alignment\" is \(alignment); 64 is wanted") {
        $0.keys[1] = File.key("general.alignment", File.uint32(alignment))
      }
    }
    expect("\"general.alignment\" is no integer") {
      $0.keys[1] = File.key("general.alignment", File.string("64"))
    }
  }

  @Test(arguments: [1 << 60, 1 << 63, UInt64.max, 1 << 32, 1000])
  func refusesCountsThatCannotBe(claimed: UInt64) {
    expect("claims \(claimed) keys") { $0.claimedKeys = claimed }
    expect("claims \(claimed) tensors") { $0.claimedTensors = claimed }
    expect("claims \(claimed) strings in key \"x\"") {
      $0.keys.append(File.key("x", File.array(of: 8, count: claimed, [])))
    }
    for type: UInt32 in [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12] {
      expect("claims \(claimed) elements in key \"x\"") {
        $0.keys.append(File.key("x", File.array(of: type, count: claimed, [])))
      }
    }
    expect("needs \(claimed) bytes") { $0.keys.append(File.key("x", File.le(UInt32(8)) + File.le(claimed))) }
    expect("needs \(claimed) bytes") { $0.keys.append(File.le(claimed)) }
    expect("needs \(claimed) bytes") {
      $0.keys.append(File.key("x", File.array(of: 8, count: 1, File.le(claimed))))
    }
  }

  @Test func refusesMoreEntriesThanItsTablesHold() {
    expect("has 65537 keys; at most 65536 are read") {
      $0.claimedKeys = 65_537
      $0.data = [UInt8](repeating: 0, count: 65_537 * 25)
    }
    expect("has 65537 tensors; at most 65536 are read") {
      $0.claimedTensors = 65_537
      $0.data = [UInt8](repeating: 0, count: 65_537 * 25)
    }
  }

  @Test func refusesBadNames() {
    let long = String(repeating: "a", count: 65_536)
    for name in ["", long, "a\nb", "é", "a\u{0}"] {
      expect("printable ASCII of 1 to 65535 bytes") { $0.keys.append(File.key(name, File.uint32(1))) }
      expect("printable ASCII of 1 to 65535 bytes") { $0.tensors = [File.tensor(name)] }
    }
    expect("has key \"x\" twice") {
      $0.keys += [File.key("x", File.uint32(1)), File.key("x", File.string(""))]
    }
    expect("has tensor \"x\" twice") {
      $0.tensors = [File.tensor("x"), File.tensor("x", offset: 64)]
      $0.data = [UInt8](repeating: 0, count: 128)
    }
  }

  @Test func refusesBadValues() throws {
    expect("has value type 13") { $0.keys.append(File.key("x", File.le(UInt32(13)))) }
    expect("has value type 4294967295") { $0.keys.append(File.key("x", File.array(of: .max, count: 0, []))) }
    expect("is an array of arrays") {
      $0.keys.append(File.key("x", File.array(of: 9, count: 1, File.array(of: 4, count: 0, []))))
    }
    var file = HandmadeGGUF()
    file.keys.append(File.key("bool", File.le(UInt32(7)) + [2]))
    file.keys.append(File.key("bools", File.array(of: 7, count: 2, [1, 255])))
    file.keys.append(File.key("text", File.le(UInt32(8)) + File.le(UInt64(2)) + [0xc3, 0x28]))
    file.keys.append(File.key("texts", File.array(of: 8, count: 1, File.le(UInt64(1)) + [0xff])))
    let model = try open(file.bytes)
    let errors = [
      (failure { try model.bool("bool") }, "neither 0 nor 1"),
      (failure { try model.boolArray("bools") }, "bool 255"),
      (failure { try model.string("text") }, "not UTF-8"),
      (failure { try model.stringArray("texts") }, "not UTF-8"),
    ]
    for (error, text) in errors {
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
    }
    #expect(try Array(model.strings("texts")[0]) == [0xff])
  }

  @Test func readsEmptyArrays() throws {
    var file = HandmadeGGUF()
    file.keys.append(File.key("numbers", File.array(of: 4, count: 0, [])))
    file.keys.append(File.key("texts", File.array(of: 8, count: 0, [])))
    let model = try open(file.bytes)
    #expect(try model.uint32Array("numbers").isEmpty)
    #expect(try model.stringArray("texts").isEmpty)
  }

  @Test func refusesBadTensors() {
    expect("has 5 dimensions; at most 4") { $0.tensors = [File.tensor("x", dimensions: [1, 1, 1, 1, 1])] }
    expect("has a dimension of 0") { $0.tensors = [File.tensor("x", dimensions: [4, 0])] }
    expect("has a dimension of 18446744073709551615") { $0.tensors = [File.tensor("x", dimensions: [.max])] }
    expect("more than 2^63 bytes") { $0.tensors = [File.tensor("x", dimensions: [1 << 32, 1 << 31])] }
    expect("more than 2^63 bytes") { $0.tensors = [File.tensor("x", dimensions: [1 << 61])] }
    expect("has 4611686018427387904 bytes at offset 0") {
      $0.tensors = [File.tensor("x", dimensions: [1 << 60])]
    }
    expect("begins at offset 32; a multiple of 64") { $0.tensors = [File.tensor("x", offset: 32)] }
    expect("at offset 18446744073709551552") { $0.tensors = [File.tensor("x", offset: UInt64.max - 63)] }
    expect("has 64 bytes at offset 0 of the data, which has 63") {
      $0.tensors = [File.tensor("x")]
      $0.data = [UInt8](repeating: 0, count: 63)
    }
    expect("at offset 128 of the data, which has 64") {
      $0.tensors = [File.tensor("x", type: 99, offset: 128)]
      $0.data = [UInt8](repeating: 0, count: 64)
    }
    expect("tensors \"a\" and \"b\" overlap") {
      $0.tensors = [File.tensor("b", offset: 64), File.tensor("a", dimensions: [17])]
      $0.data = [UInt8](repeating: 0, count: 256)
    }
    expect("overlap") {
      $0.tensors = [File.tensor("a"), File.tensor("b")]
      $0.data = [UInt8](repeating: 0, count: 256)
    }
  }

  @Test func cutsLongNamesInMessages() {
    let name = String(repeating: "n", count: 60_000)
    var file = HandmadeGGUF()
    file.keys.append(File.key(name, File.le(UInt32(77))))
    let error = failure { try open(file.bytes) }
    #expect((error?.message.utf8.count ?? .max) < 300)
  }

  @Test func aFileCutAnywhereIsRefusedOrWhole() throws {
    let whole = try contents(fixture("every_type.gguf"))
    for count in 0..<whole.count {
      guard let model = try? open(Array(whole[..<count])) else { continue }
      // The last tensor is of a type whose size is not known; only its 34 bytes and padding were lost.
      #expect(count >= whole.count - 64)
      #expect(readAll(model) > 0)
    }
  }

  /// One bit of every byte; the fuzzer goes on to the others.
  @Test func aFlippedBitIsReadOrRefused() throws {
    var bytes = try contents(fixture("every_type.gguf"))
    let model = try ModelFile(path: fixture("every_type.gguf"), copy: false)
    let data = try #require(model.tensor("f32")?.data.baseAddress)
    let header = data - (try #require(model.file.bytes.baseAddress))
    var refused = 0
    for index in 0..<header {
      bytes[index] ^= 1 << (index % 8)
      if let model = try? open(bytes) { #expect(readAll(model) > 0) } else { refused += 1 }
      bytes[index] ^= 1 << (index % 8)
    }
    #expect(refused > 0)
  }
}
