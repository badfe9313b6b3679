/// Scored candidates in scratch memory, of which the best are brought into order.
struct Ranking {
  /// A scored candidate.
  struct Entry {
    /// The stage of the route: 0 the first router, 1 the second.
    let stage: Int
    /// Its index in that router's pool.
    let index: Int
    let logit: Float
    /// The calibrated logit, of which ``confidence`` is the sigmoid.
    let calibrated: Float
    let confidence: Float
    let utility: Float

    /// A total order: of equal utilities the larger calibrated logit is better, as it still differs where confidences
    /// are rounded to 1, and of equals in both the one that was added first.
    func isBetter(than other: Entry) -> Bool {
      if utility != other.utility { return utility > other.utility }
      if calibrated != other.calibrated { return calibrated > other.calibrated }
      return (stage, index) < (other.stage, other.index)
    }
  }

  private let entries: UnsafeMutablePointer<Entry>
  private(set) var count = 0

  /// Makes room for `capacity` entries.
  init(capacity: Int, in arena: ScratchArena) throws(ARMSError) {
    entries = try arena.allocate(Entry.self, capacity)
  }

  /// Adds an entry; the caller has made room for it.
  mutating func append(_ entry: Entry) {
    entries[count] = entry
    count += 1
  }

  /// Whether any confidence is above `theta`.
  func hasConfidence(above theta: Float) -> Bool {
    (0..<count).contains { entries[$0].confidence > theta }
  }

  /// Orders the best `limit` entries, for ``subscript(_:)``: a heap gives them one after the other, and is made
  /// where the entries lie. Nothing is appended afterwards.
  func order(_ limit: Int) {
    for root in (0..<count / 2).reversed() { siftDown(root, count) }
    for taken in 0..<min(limit, count) {
      let last = count - 1 - taken
      swap(0, last)
      siftDown(0, last)
    }
  }

  /// The entry of a rank, 0 for the best, below the limit that was ordered.
  subscript(rank: Int) -> Entry { entries[count - 1 - rank] }

  /// Restores the heap of the first `size` entries below `root`.
  private func siftDown(_ root: Int, _ size: Int) {
    var parent = root
    while true {
      var child = 2 * parent + 1
      guard child < size else { return }
      if child + 1 < size, entries[child + 1].isBetter(than: entries[child]) { child += 1 }
      guard entries[child].isBetter(than: entries[parent]) else { return }
      swap(parent, child)
      parent = child
    }
  }

  private func swap(_ left: Int, _ right: Int) {
    (entries[left], entries[right]) = (entries[right], entries[left])
  }
}
