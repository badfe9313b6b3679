/// One router of the paper, `Φ` or `Θ`: encoders and head. Two that share encoders share the objects.
final class RouterNetwork: Sendable {
  let text: TextEncoder
  /// nil if the router looks at no image: `g` is always what is learned for a query without one.
  let image: ImageEncoder?
  let head: Head

  init(text: TextEncoder, image: ImageEncoder?, head: Head) {
    self.text = text
    self.image = image
    self.head = head
  }

  var needsBLAS: Bool { text.needsBLAS || image?.needsBLAS ?? false || head.needsBLAS }
}

extension RouterNetwork {
  /// Reads the networks of a model file: one, or two if it holds a cascade.
  static func all(of file: ModelFile) throws(ARMSError) -> [RouterNetwork] {
    let first = try RouterNetwork(file, prefix: .first, sharing: nil)
    guard file.has("\(RouterPrefix.second.key)fusion") else { return [first] }
    return [first, try RouterNetwork(file, prefix: .second, sharing: first)]
  }

  private convenience init(
    _ file: ModelFile, prefix: RouterPrefix, sharing first: RouterNetwork?
  ) throws(ARMSError) {
    let key = prefix.key
    let text: TextEncoder
    let image: ImageEncoder?
    if let first, !file.has("\(key)text.block_count") {
      text = first.text
    } else {
      text = try TextEncoder(file, prefix: prefix)
    }
    if file.has("\(key)vision.block_count") {
      image = try ImageEncoder(file, prefix: prefix)
    } else {
      // A router without an image encoder says how wide g is; a second that says nothing has the first's.
      image = file.has("\(key)vision.projection_length") ? nil : first?.image
    }
    let head = try Head(file, prefix: prefix, text: text, image: image)
    self.init(text: text, image: image, head: head)
  }
}
