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

/// Queries that run through the encoders together: all of a call, or some of them.
struct QueryPass {
  let queries: UnsafeBufferPointer<QueryView>
  /// The first query's number in the call; nil if errors are not to name any.
  private let first: Int?

  /// The queries from `first` on of a call that has `total` of them; by default all.
  init(_ queries: UnsafeBufferPointer<QueryView>, from first: Int = 0, of total: Int? = nil) {
    self.queries = queries
    self.first = (total ?? queries.count) > 1 ? first : nil
  }

  /// Queries that whoever calls does not know as such.
  init(unnamed queries: UnsafeBufferPointer<QueryView>) {
    self.queries = queries
    first = nil
  }

  /// Runs `body` for a query, or for an image of it. Its error begins with what is at fault, "queries[3].images[1]"
  /// say, as far as there are several.
  func naming<R>(
    _ query: Int, image: Int? = nil, _ body: () throws(ARMSError) -> R
  ) throws(ARMSError) -> R {
    try ARMS.naming(label(query, image: image), body)
  }

  private func label(_ query: Int, image: Int?) -> String? {
    let ofQuery = first.map { "queries[\($0 + query)]" }
    guard let image, queries[query].images.count > 1 else { return ofQuery }
    return [ofQuery, "images[\(image)]"].compactMap(\.self).joined(separator: ".")
  }
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
