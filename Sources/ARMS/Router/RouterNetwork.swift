/// One router of the paper, `Φ` or `Θ`: encoders and head. Two that share encoders share the objects.
final class RouterNetwork: Sendable {
  let text: TextEncoder
  let image: ImageEncoder
  let head: Head

  init(text: TextEncoder, image: ImageEncoder, head: Head) {
    self.text = text
    self.image = image
    self.head = head
  }

  var needsBLAS: Bool { text.needsBLAS || image.needsBLAS || head.needsBLAS }
}

extension RouterNetwork {
  /// Reads the networks of a model file: one, or two if it holds a cascade.
  static func all(of file: ModelFile) throws(ARMSError) -> [RouterNetwork] {
    let first = try RouterNetwork(file, key: "arms.", prefix: "", sharing: nil)
    guard file.has("arms.second.fusion") else { return [first] }
    return [first, try RouterNetwork(file, key: "arms.second.", prefix: "second.", sharing: first)]
  }

  private convenience init(
    _ file: ModelFile, key: String, prefix: String, sharing first: RouterNetwork?
  ) throws(ARMSError) {
    let text: TextEncoder
    let image: ImageEncoder
    if let first, !file.has("\(key)text.block_count") {
      text = first.text
    } else {
      text = try TextEncoder(file, key: key, prefix: prefix)
    }
    if let first, !file.has("\(key)vision.block_count") {
      image = first.image
    } else {
      image = try ImageEncoder(file, key: key, prefix: prefix)
    }
    let head = try Head(file, key: key, prefix: prefix, text: text, image: image)
    self.init(text: text, image: image, head: head)
  }
}
