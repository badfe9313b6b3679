/// A matrix `[rows, columns]` quantised to int8 with a scale for each row: `row = int8 * scale`.
///
/// The largest value of a row becomes 127 or -127. The bytes are those that the Python converter makes.
struct QuantizedMatrix {
  let rows: Int
  let columns: Int
  /// `[rows, columns]`, in -127...127.
  let values: AlignedBuffer
  /// `[rows]`, 0 for a row of zeros; followed by zeros up to a multiple of 16 rows.
  let scale: AlignedBuffer

  /// Quantises `source`, `[rows, columns]`, of finite numbers.
  init(_ source: UnsafePointer<Float>, rows: Int, columns: Int) throws(ARMSError) {
    self.rows = rows
    self.columns = columns
    values = try AlignedBuffer(Int8.self, count: rows * columns, purpose: "an int8 matrix")
    scale = try AlignedBuffer(Float.self, count: rows.roundedUp(toMultipleOf: 16), purpose: "its scales")
    let (codes, scales) = (values.pointer(to: Int8.self), scale.pointer(to: Float.self))
    for row in 0..<rows {
      let start = row * columns
      var largest: Float = 0
      for column in 0..<columns { largest = max(largest, abs(source[start + column])) }
      let scale = largest / 127
      // Below the smallest normal number a quotient by the scale could exceed 127 or be infinite.
      guard scale >= Float.leastNormalMagnitude, scale.isFinite else { continue }
      scales[row] = scale
      for column in 0..<columns {
        let quotient = (source[start + column] / scale).rounded(.toNearestOrEven)
        codes[start + column] = Int8(max(-127, min(127, quotient)))
      }
    }
  }

  /// The layout that the kernels read (FORMAT.md): blocks of 16 rows by 4 columns, and the rows' sums.
  func packed() throws(ARMSError) -> (blocks: AlignedBuffer, columnSums: AlignedBuffer, shape: [Int]) {
    let shape = [rows.roundedUp(toMultipleOf: 16) / 16, columns.roundedUp(toMultipleOf: 4) / 4, 64]
    let blocks = try AlignedBuffer(Int8.self, count: shape[0] * shape[1] * 64, purpose: "an int8 matrix")
    let sums = try AlignedBuffer(Int32.self, count: shape[0] * 16, purpose: "its sums")
    let (codes, out) = (values.pointer(to: Int8.self), blocks.pointer(to: Int8.self))
    let total = sums.pointer(to: Int32.self)
    for row in 0..<rows {
      for column in 0..<columns {
        let code = codes[row * columns + column]
        out[(row / 16 * shape[1] + column / 4) * 64 + row % 16 * 4 + column % 4] = code
        total[row] += Int32(code)
      }
    }
    return (blocks, sums, shape)
  }
}
