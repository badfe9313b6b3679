/// How many candidates of a route were left out, for what reason.
struct Excluded: CustomStringConvertible {
  /// Why a candidate may not be chosen: the first that holds.
  enum Reason: Int, CaseIterable {
    case disabled, notAllowed, takesFewerImages, aboveMaxCost, aboveMaxLatency
  }

  private var counts = InlineArray<5, Int>(repeating: 0)

  subscript(reason: Reason) -> Int {
    get { counts[reason.rawValue] }
    set { counts[reason.rawValue] = newValue }
  }

  /// As in "of 5, 3 are disabled and 2 above max_cost".
  var description: String {
    let total = Reason.allCases.reduce(0) { $0 + self[$1] }
    let parts = Reason.allCases.filter { self[$0] > 0 }.map { "\(self[$0]) \($0.said)" }
    return total == 0 ? "the pool is empty" : "of \(total), \(parts.joined(separator: ", "))"
  }
}

extension Excluded.Reason {
  fileprivate var said: String {
    switch self {
    case .disabled: "disabled"
    case .notAllowed: "not allowed"
    case .takesFewerImages: "taking fewer images than the query has"
    case .aboveMaxCost: "above max_cost"
    case .aboveMaxLatency: "above max_latency"
    }
  }
}
