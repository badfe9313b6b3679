import ARMS
import CARMS

/// Queries of the host as the engine reads them, in scratch memory. The encoded questions and images that they
/// name are retained while this lives.
struct HostQueries: ~Copyable {
  private let arena: ScratchArena
  private let start: UnsafeMutablePointer<QueryView>
  private var count = 0

  /// Makes room for `capacity` queries.
  init(capacity: Int, in arena: ScratchArena) throws(ARMSError) {
    self.arena = arena
    start = try arena.allocate(QueryView.self, capacity)
  }

  deinit {
    for view in views { view.mutableImages.deinitialize() }
    start.deinitialize(count: count)
  }

  /// The queries. The pointers do not keep this: who uses one says `extendLifetime` of it afterwards.
  var views: UnsafeBufferPointer<QueryView> { UnsafeBufferPointer(start: start, count: count) }

  /// Throws what is wrong with a query, before memory is taken for what it claims to have.
  static func check(_ query: arms_query, _ label: @autoclosure () -> String) throws(ARMSError) {
    let images = try HostImages(query, label())
    for index in 0..<images.count { _ = try images.image(index, label()) }
    _ = try question(query, label())
  }

  /// Adds a query that was checked; the caller has made room for it.
  mutating func append(_ query: arms_query, _ label: @autoclosure () -> String) throws(ARMSError) {
    let given = try HostImages(query, label())
    let images = try arena.allocate(Query.Image.self, given.count)
    let question = try question(query, label())
    var filled = 0
    do throws(ARMSError) {
      while filled < given.count {
        (images + filled).initialize(to: try given.image(filled, label()))
        filled += 1
      }
    } catch {
      // A handle was freed since the check.
      images.deinitialize(count: filled)
      throw error
    }
    (start + count).initialize(
      to: QueryView(question, images: UnsafeBufferPointer(start: images, count: given.count)))
    count += 1
  }
}

/// The images of one query of the host.
private struct HostImages {
  let count: Int
  private let encoded: UnsafePointer<OpaquePointer?>?
  private let inputs: HostStructs<arms_image_input>?

  init(_ query: arms_query, _ label: @autoclosure () -> String) throws(ARMSError) {
    count = Int(query.image_count)
    encoded = query.encoded_images
    guard encoded != nil else {
      inputs = try HostStructs(query.images, count, "\(label()).images")
      return
    }
    inputs = nil
    guard query.images == nil else {
      throw ARMSError(.invalidArgument, "\(label()) has images and encoded_images; give one of them")
    }
  }

  /// An image; `label` names the query.
  func image(_ index: Int, _ label: @autoclosure () -> String) throws(ARMSError) -> Query.Image {
    if let inputs { return .input(try convert(inputs[index], "\(label()).images[\(index)]")) }
    return .encoded(
      try object(encoded?[index], as: EncodedImage.self, "\(label()).encoded_images[\(index)]"))
  }
}

private func question(
  _ query: arms_query, _ label: @autoclosure () -> String
) throws(ARMSError) -> Query.Question {
  let given = (query.text != nil ? 1 : 0) + (query.tokens != nil ? 1 : 0) + (query.question != nil ? 1 : 0)
  guard given == 1 else {
    throw ARMSError(
      .invalidArgument, "\(label()) has \(given) questions; give one of text, tokens and question")
  }
  if let tokens = query.tokens {
    guard query.token_count >= 0 else {
      throw ARMSError(.invalidArgument, "\(label()).token_count is more than half the address space")
    }
    return .tokens(UnsafeBufferPointer(start: tokens, count: query.token_count))
  }
  if let question = query.question {
    return .encoded(try object(question, as: EncodedQuestion.self, "\(label()).question"))
  }
  return .utf8(try text(query.text, query.text_length, "\(label()).text"))
}
