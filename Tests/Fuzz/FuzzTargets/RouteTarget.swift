import CARMS

/// A query that is routed, and the checks of what comes back.
struct Question {
  var text: UnsafeRawBufferPointer
  var images: UnsafePointer<arms_image_input>?
  var imageCount: UInt32
  var options = arms_route_options()

  init(text: UnsafeRawBufferPointer, images: UnsafePointer<arms_image_input>?, imageCount: UInt32) {
    (self.text, self.images, self.imageCount) = (text, images, imageCount)
    options.struct_size = UInt32(MemoryLayout<arms_route_options>.size)
  }

  init(text: StaticString, images: UnsafePointer<arms_image_input>?, imageCount: UInt32) {
    self.init(
      text: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), images: images,
      imageCount: imageCount)
  }

  /// Routes twice: the answers must be finite and the same.
  func route(_ router: OpaquePointer) {
    let first = decide(router)
    guard let again = decide(router), let first else {
      return require(first == nil, "the same question is answered and then refused")
    }
    require(
      first.confidence == again.confidence && first.utility == again.utility
        && first.ranked_count == again.ranked_count, "the same question has two answers")
    require((0...1).contains(first.confidence), "the confidence is \(first.confidence)")
    require(first.utility.isFinite, "the utility is \(first.utility)")
    require(first.question_tokens <= first.question_tokens_total, "more tokens are read than there are")
  }

  private func decide(_ router: OpaquePointer) -> arms_decision? {
    var query = arms_query()
    query.struct_size = UInt32(MemoryLayout<arms_query>.size)
    // No bytes are an empty text, not a missing one.
    query.text = text.baseAddress.map { $0.assumingMemoryBound(to: CChar.self) } ?? Self.empty
    query.text_length = text.count
    query.images = imageCount > 0 ? images : nil
    query.image_count = imageCount
    var (decision, options) = (arms_decision(), options)
    decision.struct_size = UInt32(MemoryLayout<arms_decision>.size)
    var ranked = [arms_ranked](repeating: arms_ranked(), count: 3)
    ranked[0].struct_size = UInt32(MemoryLayout<arms_ranked>.size)
    let status = Host.call { arms_route(router, &query, &options, &decision, &ranked, ranked.count, $0) }
    guard status == 0 else { return nil }
    for entry in ranked.prefix(Int(decision.ranked_count)) {
      require(
        entry.logit.isFinite && (0...1).contains(entry.confidence),
        "a ranked candidate has logit \(entry.logit) and confidence \(entry.confidence)")
    }
    return decision
  }

  nonisolated(unsafe) private static let empty = UnsafePointer(
    UnsafeMutablePointer<CChar>.allocate(capacity: 1))
}

/// The input is options, a question of a length that it names, and the bytes of an image.
func fuzzRoute(_ bytes: UnsafeRawBufferPointer) {
  let source = ByteSource(bytes)
  let router = Host.routers[source.below(Host.routers.count)]
  var options = arms_route_options()
  options.struct_size = UInt32(MemoryLayout<arms_route_options>.size)
  options.policy = UInt32(source.next(UInt8.self) & 3)
  if source.once(in: 4) {
    options.theta = source.float()
    options.abstain_below = source.float()
    options.lambda = source.double()
    options.mu = source.double()
    options.max_cost = source.double()
    options.max_latency = source.double()
  }
  if source.once(in: 4) { options.second = Host.routers[source.below(Host.routers.count)] }
  let text = source.take(source.below(4_096))
  let encoded = source.takeAll()
  var image = arms_image_input()
  image.struct_size = UInt32(MemoryLayout<arms_image_input>.size)
  image.data = encoded.baseAddress
  image.size = encoded.count
  withUnsafePointer(to: image) { image in
    var question = Question(text: text, images: image, imageCount: encoded.isEmpty ? 0 : 1)
    question.options = options
    question.route(router)
  }
}
