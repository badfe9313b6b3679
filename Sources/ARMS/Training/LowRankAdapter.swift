/// A low-rank change of a weight: `W' = W + s B A`, with `s = alpha / r` (LoRA: Hu et al., arXiv 2106.09685).
///
/// It points into whoever holds A and B.
struct LowRankAdapter {
  /// r
  let rank: Int
  /// s
  let scale: Float
  /// A, `[rank, inputs]`.
  let a: UnsafePointer<Float>
  /// B, `[outputs, rank]`.
  let b: UnsafePointer<Float>

  init(rank: Int, alpha: Float, a: UnsafePointer<Float>, b: UnsafePointer<Float>) {
    self.rank = rank
    scale = alpha / Float(rank)
    self.a = a
    self.b = b
  }

  /// What A and B are called, of a weight.
  static func names(of weight: String) -> (a: String, b: String) { ("\(weight).lora_a", "\(weight).lora_b") }
}

extension Parameter {
  /// Writes the values with an adapter's change in float32, `[count]`.
  ///
  /// The sums have one order, and no instruction set or library of this machine changes it: who merges a file gets the
  /// bits of who trained it.
  func merge(
    _ adapter: LowRankAdapter, into out: UnsafeMutablePointer<Float>, on execution: Execution
  ) throws(ARMSError) {
    try execution.arena.scoped { () throws(ARMSError) in
      let rows = MergeRows(
        weight: self, adapter: adapter, out: out,
        scratch: try execution.arena.allocate(Float.self, execution.pool.threads * columns))
      execution.pool.run(rows, count: rows.count)
    }
  }
}

/// Some rows of `W + s B A` a piece.
private struct MergeRows: ParallelTask {
  let weight: Parameter
  let adapter: LowRankAdapter
  let out: UnsafeMutablePointer<Float>
  /// `[threads, columns]`
  let scratch: UnsafeMutablePointer<Float>

  private static let piece = 16
  var count: Int { (weight.rows + Self.piece - 1) / Self.piece }

  func run(_ index: Int, worker: Int) {
    let columns = weight.columns
    let sum = scratch + worker * columns
    for row in index * Self.piece..<min(weight.rows, (index + 1) * Self.piece) {
      sum.update(repeating: 0, count: columns)
      for place in 0..<adapter.rank {
        let factor = adapter.b[row * adapter.rank + place]
        let a = adapter.a + place * columns
        for column in 0..<columns { sum[column] += factor * a[column] }
      }
      let target = out + row * columns
      weight.copy(row: row, into: target)
      for column in 0..<columns { target[column] += adapter.scale * sum[column] }
    }
  }
}
