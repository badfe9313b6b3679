/// A VLM that can be chosen.
public struct Candidate: Sendable, Equatable {
  /// The most bytes of a name: `ARMS_NAME_CAPACITY` of the C header, less its NUL.
  public static let nameLimit = 95

  /// Unique in its router; 1 to ``nameLimit`` bytes of UTF-8 without control characters.
  public var name: String
  /// The sentence that the text encoder embeds; empty if the embedding is given.
  public var profile: String
  /// Given in place of the profile's embedding, `[d_t]`. Not kept here once the candidate is added.
  public var embedding: [Float]?
  /// US dollars a query, if known.
  public var cost: Double?
  /// Milliseconds, if known.
  public var latency: Double?
  /// `T_j` of the calibration, above 0.
  public var temperature: Float
  /// `b_j` of the calibration.
  public var bias: Float
  /// Images it takes at most; nil: any number.
  public var maxImages: Int?
  /// Whether it is chosen and ranked, and scored without being named.
  public var isEnabled: Bool
  /// Whose pool it is in: 0 the first router's, 1 the second's of a cascade.
  public var router: Int
  /// The learned offset `beta_j` of the scaled head; 0 for a candidate that is new.
  public internal(set) var beta: Float = 0
  /// The hash of the text encoder that embedded the profile; empty if the embedding was given, or the encoder has no
  /// name.
  var encoderHash = ""
  /// Whether the embedding was given. Of a file's candidate without a hash it is taken to be.
  var hasGivenEmbedding = false

  /// Makes a candidate from its profile sentence.
  public init(
    name: String, profile: String, embedding: [Float]? = nil, cost: Double? = nil, latency: Double? = nil,
    temperature: Float = 1, bias: Float = 0, maxImages: Int? = nil, isEnabled: Bool = true, router: Int = 0
  ) {
    self.name = name
    self.profile = profile
    self.embedding = embedding
    self.cost = cost
    self.latency = latency
    self.temperature = temperature
    self.bias = bias
    self.maxImages = maxImages
    self.isEnabled = isEnabled
    self.router = router
  }

  /// Makes a candidate from its structured profile.
  public init(_ profile: Profile, cost: Double? = nil, latency: Double? = nil) {
    self.init(name: profile.name, profile: profile.sentence, cost: cost, latency: latency)
  }

  /// What is wrong with a name that no candidate may have, and what would be right; nil if one may.
  static func fault(inName name: String) -> String? {
    if !(1...nameLimit).contains(name.utf8.count) {
      return "has \(name.utf8.count) bytes; 1 to \(nameLimit) are wanted"
    }
    return name.utf8.contains { $0 < 32 || $0 == 127 }
      ? "has a control character; text of one line is wanted" : nil
  }

  /// Throws if a value is outside what is documented above.
  func validate(embeddingWidth: Int) throws(ARMSError) {
    if let fault = Self.fault(inName: name) {
      throw ARMSError(.invalidArgument, "candidate name \(quoted(name)) \(fault)")
    }
    func fail(_ code: ARMSError.Code, _ text: String) -> ARMSError {
      ARMSError(code, "candidate \(quoted(name)): \(text)")
    }
    func check(_ label: String, _ value: Double?) throws(ARMSError) {
      guard let value else { return }
      guard value.isFinite else {
        throw fail(.notFinite, "its \(label) is \(value); a finite number is wanted")
      }
      guard value >= 0 else { throw fail(.invalidArgument, "its \(label) is \(value); 0 or more is wanted") }
    }
    try check("cost", cost)
    try check("latency", latency)
    guard temperature.isFinite, bias.isFinite else {
      throw fail(.notFinite, "temperature \(temperature) or bias \(bias) is not a finite number")
    }
    guard temperature > 0 else {
      throw fail(.invalidArgument, "its temperature is \(temperature); above 0 is wanted")
    }
    if let maxImages, !(0...Int(Int32.max)).contains(maxImages) {
      throw fail(.invalidArgument, "its largest number of images is \(maxImages); 0 or more is wanted")
    }
    if let embedding {
      guard embedding.count == embeddingWidth else {
        throw fail(
          .invalidArgument,
          "its embedding has \(embedding.count) numbers; the text width \(embeddingWidth) is wanted")
      }
      guard embedding.allSatisfy(\.isFinite) else {
        throw fail(.notFinite, "its embedding has NaN or infinite numbers")
      }
    } else if profile.isEmpty {
      throw fail(.invalidArgument, "it has neither a profile nor an embedding")
    }
  }
}
