/// The structured description of a VLM, from which its profile sentence is made (paper, section 4.1).
public struct Profile: Sendable, Equatable {
  /// The VLM's name.
  public var name: String
  /// Its parameter count, "7B" say.
  public var parameters: String?
  /// Its architecture.
  public var architecture: String?
  /// Its language model.
  public var languageModel: String?
  /// Its vision model.
  public var visionModel: String?

  /// Makes a profile; what is nil is left out of the sentence. The name alone is the paper's ablation.
  public init(
    name: String, parameters: String? = nil, architecture: String? = nil, languageModel: String? = nil,
    visionModel: String? = nil
  ) {
    self.name = name
    self.parameters = parameters
    self.architecture = architecture
    self.languageModel = languageModel
    self.visionModel = visionModel
  }

  /// The sentence that the text encoder embeds.
  public var sentence: String {
    if parameters == nil, architecture == nil, languageModel == nil, visionModel == nil { return name }
    var sentence = "\(name) is a vision-language model"
    if let parameters { sentence += " with \(parameters) parameters" }
    let parts = [
      ("architecture", architecture), ("language model", languageModel), ("vision model", visionModel),
    ].compactMap { label, value in value.map { "\(label): \($0)" } }
    if !parts.isEmpty { sentence += "; " + parts.joined(separator: "; ") }
    return sentence + "."
  }
}
