/// A model file and the networks that were read from it: all of a router but its candidates. Immutable.
final class RouterModel: Sendable {
  let file: ModelFile
  /// The first router's network, and the second's if the file holds a cascade.
  let networks: [RouterNetwork]
  /// The theta of the cascade where the caller names none.
  let defaultTheta: Float

  /// Opens a model file, mapped or copied into memory.
  ///
  /// Throws `io`, `invalidModel`, `unsupported` or `outOfMemory`.
  convenience init(path: String, copy: Bool) throws(ARMSError) {
    try self.init(ModelFile(path: path, copy: copy))
  }

  /// Reads the networks of a model file.
  ///
  /// Throws `invalidModel`, `unsupported` or `outOfMemory`.
  init(_ file: ModelFile) throws(ARMSError) {
    self.file = file
    guard try file.string("general.type", default: "model") != "adapter" else {
      throw ARMSError(
        .unsupported,
        "\(printable(file.path)): is an adapter, no router; open the router that it was trained on, and apply it"
      )
    }
    networks = try RouterNetwork.all(of: file)
    if networks.contains(where: \.needsBLAS) { try BLAS.load() }
    defaultTheta = try file.float("arms.cascade.theta", default: 0.5)
    guard (0...1).contains(defaultTheta) else {
      throw file.invalid("arms.cascade.theta is \(defaultTheta); 0 to 1 is wanted")
    }
  }

  /// Network `number`. Throws `code`, which is what the call is documented to throw, if there is none.
  func network(
    _ number: Int, orThrow code: ARMSError.Code = .invalidArgument
  ) throws(ARMSError) -> RouterNetwork {
    guard networks.indices.contains(number) else {
      throw ARMSError(code, "router is \(number); this file holds \(networks.count)")
    }
    return networks[number]
  }

  /// Whether another network has the encoders of network `number` as well.
  func sharesEncoders(of number: Int) -> (text: Bool, image: Bool) {
    let own = networks[number]
    let others = networks.indices.filter { $0 != number }.map { networks[$0] }
    return (
      others.contains { $0.text === own.text }, own.image != nil && others.contains { $0.image === own.image }
    )
  }

  /// Whether any head that stands on `encoder` reads image tokens.
  func readsTokens(of encoder: ImageEncoder) -> Bool {
    networks.contains { $0.image === encoder && $0.head.fusion == .patches }
  }
}
