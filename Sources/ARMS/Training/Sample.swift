/// What a candidate's answer to a query was worth.
public struct Outcome: Sendable, Equatable {
  /// The candidate's name; 1 to ``Candidate/nameLimit`` bytes of UTF-8 without control characters.
  public var candidate: String
  /// 1 if it answered correctly, 0 if not.
  public var label: Float
  /// How much it counts; 1e-18 to 1e18.
  public var weight: Float
  /// What the answer cost in US dollars, if known; 0 or more.
  public var cost: Double?

  /// Makes an outcome.
  public init(candidate: String, label: Float, weight: Float = 1, cost: Double? = nil) {
    self.candidate = candidate
    self.label = label
    self.weight = weight
    self.cost = cost
  }
}

/// A query and the outcomes that are known of it, to be trained on: a gateway's log knows only the candidate
/// that it called, a benchmark all of them.
public struct Sample: Sendable {
  /// The question; it may be empty.
  public var question: String
  /// The images, in the order that the question means.
  public var images: [Image]
  /// At least one, each candidate at most once.
  public var outcomes: [Outcome]

  /// Makes a sample of images that were copied already.
  public init(question: String, images: [Image] = [], outcomes: [Outcome]) {
    self.question = question
    self.images = images
    self.outcomes = outcomes
  }

  /// Makes a sample, copying the images.
  ///
  /// Throws as ``Image/init(copying:)``, naming the image.
  public init(question: String, copying images: [ImageInput], outcomes: [Outcome]) throws(ARMSError) {
    var copies: [Image] = []
    for (index, image) in images.enumerated() {
      copies.append(
        try naming("images[\(index)]") { () throws(ARMSError) in try Image(copying: image) })
    }
    self.init(question: question, images: copies, outcomes: outcomes)
  }
}

extension Sample {
  /// Throws what is impossible in this sample, whatever router is trained; `label` names the sample.
  func validate(_ label: @autoclosure () -> String) throws(ARMSError) {
    guard !outcomes.isEmpty else {
      throw ARMSError(.invalidArgument, "\(label()) has no outcomes; one at least is wanted")
    }
    var seen: Set<String> = []
    for (index, outcome) in outcomes.enumerated() {
      try outcome.validate("\(label()).outcomes[\(index)]")
      guard seen.insert(outcome.candidate).inserted else {
        throw ARMSError(
          .alreadyExists,
          "\(label()).outcomes[\(index)] is the second of \(quoted(outcome.candidate)) for one query; give one"
        )
      }
    }
  }
}

extension Outcome {
  /// Weights whose sums and quotients are numbers: what a float cannot hold would end a training much later.
  static let weights: ClosedRange<Float> = 1e-18...1e18

  /// Throws if a value is outside what is documented above.
  func validate(_ label: @autoclosure () -> String) throws(ARMSError) {
    if let fault = Candidate.fault(inName: candidate) {
      throw ARMSError(.invalidArgument, "\(label()).candidate \(quoted(candidate)) \(fault)")
    }
    guard self.label == 0 || self.label == 1 else {
      throw ARMSError(.invalidArgument, "\(label()).label is \(self.label); 0 or 1 is wanted")
    }
    guard weight.isFinite else {
      throw ARMSError(.notFinite, "\(label()).weight is \(weight); a finite number is wanted")
    }
    guard Self.weights.contains(weight) else {
      throw ARMSError(.invalidArgument, "\(label()).weight is \(weight); 1e-18 to 1e18 is wanted")
    }
    guard let cost else { return }
    guard cost.isFinite else {
      throw ARMSError(.notFinite, "\(label()).cost is \(cost); a finite number is wanted")
    }
    guard cost >= 0 else {
      throw ARMSError(.invalidArgument, "\(label()).cost is \(cost); 0 or more is wanted")
    }
  }
}
