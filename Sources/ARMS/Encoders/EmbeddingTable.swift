/// Row vectors that are looked up by their id.
struct EmbeddingTable {
  /// How the rows are stored.
  enum Storage {
    case float(UnsafePointer<Float>)
    /// A row is its int8 values times its scale.
    case int8(UnsafePointer<Int8>, scale: UnsafePointer<Float>)
  }

  let rows: Int
  let width: Int
  let storage: Storage

  /// `out = row(id) + addend`. The id was checked to be in `0 ..< rows`.
  func add(_ id: Int, to addend: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    switch storage {
    case .float(let values):
      let row = values + id * width
      for column in 0..<width { out[column] = row[column] + addend[column] }
    case .int8(let values, let scales):
      let row = values + id * width
      let scale = scales[id]
      for column in 0..<width { out[column] = Float(row[column]) * scale + addend[column] }
    }
  }
}
