/// A query as the engine reads it: a view of a ``Query``, or of what a host holds, that took no memory.
///
/// It and its images must stay where they are during the call they are given to.
package struct QueryView {
  let question: Query.Question
  let images: UnsafeBufferPointer<Query.Image>

  /// Makes a view of a question and images that lie one after the other.
  package init(_ question: Query.Question, images: UnsafeBufferPointer<Query.Image>) {
    self.question = question
    self.images = images
  }

  /// The images, for whoever initialised their memory and deinitialises it.
  package var mutableImages: UnsafeMutableBufferPointer<Query.Image> { .init(mutating: images) }
}

extension [Query] {
  /// Runs `body` with views of these queries.
  func withViews<R>(
    _ body: (UnsafeBufferPointer<QueryView>) throws(ARMSError) -> R
  ) throws(ARMSError) -> R {
    try flatMap(\.images).withUnsafeBufferPointer { (images) throws(ARMSError) -> R in
      var start = 0
      let views = map { query in
        defer { start += query.images.count }
        return QueryView(
          query.question,
          images: UnsafeBufferPointer(rebasing: images[start..<start + query.images.count]))
      }
      return try views.withUnsafeBufferPointer(body)
    }
  }
}

/// The UTF-8 of a candidate's name: unlike a `String`, one that a host holds takes no memory.
package typealias NameBytes = UnsafeBufferPointer<UInt8>

extension ScratchArena {
  /// A copy of the bytes of names.
  func names(_ names: [String]) throws(ARMSError) -> UnsafeBufferPointer<NameBytes> {
    let result = try allocate(NameBytes.self, names.count)
    for (index, name) in names.enumerated() {
      let bytes = UnsafeMutableBufferPointer(
        start: try allocate(UInt8.self, name.utf8.count), count: name.utf8.count)
      _ = bytes.initialize(from: name.utf8)
      result[index] = NameBytes(bytes)
    }
    return UnsafeBufferPointer(start: result, count: names.count)
  }
}
