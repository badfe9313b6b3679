/// The name of an encoder (FORMAT.md, "The name of an encoder"): SHA-256 over its keys and its weights in float32.
struct EncoderHash {
  private var hash = SHA256()
  private let prefix: RouterPrefix

  /// Begins with the keys of `file` that begin with one of `sections`, "text." or "vision." say, behind `prefix`.
  init(_ file: ModelFile, prefix: RouterPrefix, sections: [String]) {
    self.prefix = prefix
    var members: [(name: String, value: String)] = []
    for name in file.keys {
      guard name.hasPrefix(prefix.key), let value = file.value(name).flatMap(JSON.init) else { continue }
      let rest = name.dropFirst(prefix.key.count)
      guard sections.contains(where: { rest.hasPrefix($0) }), !rest.hasSuffix(".hash") else { continue }
      // A second router's encoder has the name that it would have alone.
      members.append(("\(RouterPrefix.first.key)\(rest)", value.text))
    }
    members.sort { $0.name < $1.name }
    hash.update("{" + members.map { "\(JSON($0.name).text):\($0.value)" }.joined(separator: ",") + "}")
  }

  /// Adds the weights, in the order of their names without the prefix. `values` gives those that are not the
  /// parameter's own.
  mutating func update(
    _ parameters: [Parameter], values: (Parameter) -> UnsafePointer<Float>?
  ) throws(ARMSError) {
    let named = parameters.map { (name: String($0.name.dropFirst(prefix.tensor.count)), parameter: $0) }
    for (name, parameter) in named.sorted(by: { $0.name < $1.name }) {
      hash.update(name)
      hash.update(UInt8(0))
      if let values = values(parameter) {
        hash.update(values, count: parameter.count)
      } else {
        let buffer = try AlignedBuffer(Float.self, count: parameter.count, purpose: "tensor \(name)")
        parameter.copy(into: buffer.pointer(to: Float.self))
        hash.update(buffer.pointer(to: Float.self), count: parameter.count)
      }
    }
  }

  /// The name, in 64 hexadecimal digits.
  func hexDigest() -> String { hash.hexDigest() }
}
