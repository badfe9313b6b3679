import Foundation

// Layers as the equations stand, of one vector in double. The inner loops are `while` over pointers: compiled without
// optimisation, as tests are, ranges and closures take many times as long, and most of the time under a sanitizer.

/// `W x`, where `weight` is `[outputs, x.count]`.
func product(_ weight: [Double], _ x: [Double]) -> [Double] {
  var y = [Double](repeating: 0, count: weight.count / x.count)
  multiply(&y, weight, x, rows: y.count, columns: x.count)
  return y
}

private func multiply(
  _ y: UnsafeMutablePointer<Double>, _ weight: UnsafePointer<Double>, _ x: UnsafePointer<Double>, rows: Int,
  columns: Int
) {
  var row = 0
  while row < rows {
    y[row] = dot(weight, from: row * columns, x, count: columns)
    row += 1
  }
}

/// Multi-head attention of one query: `[heads * d]`, as keys and values are.
func attention(_ query: [Double], keys: [[Double]], values: [[Double]], heads: Int) -> [Double] {
  let width = query.count / heads
  var mixed = [Double](repeating: 0, count: query.count)
  for start in stride(from: 0, to: query.count, by: width) {
    let scores = keys.map {
      dot(query, from: start, $0, from: start, count: width) / Double(width).squareRoot()
    }
    for (weight, value) in zip(softmax(scores), values) {
      add(&mixed, weight, value, from: start, count: width)
    }
  }
  return mixed
}

func softmax(_ x: [Double]) -> [Double] {
  let most = x.max() ?? 0
  let terms = x.map { exp($0 - most) }
  let sum = terms.reduce(0, +)
  return terms.map { $0 / sum }
}

func layerNorm(_ x: [Double], gamma: [Double], beta: [Double], epsilon: Float) -> [Double] {
  let mean = x.reduce(0, +) / Double(x.count)
  let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
  let deviation = (variance + Double(epsilon)).squareRoot()
  return x.indices.map { (x[$0] - mean) / deviation * gamma[$0] + beta[$0] }
}

func gelu(_ x: Double) -> Double { 0.5 * x * (1 + erf(x / 2.0.squareRoot())) }

func plus(_ x: [Double], _ y: [Double]) -> [Double] {
  var sum = x
  add(&sum, 1, y, from: 0, count: x.count)
  return sum
}

/// The inner product of parts of two vectors.
private func dot(
  _ x: UnsafePointer<Double>, from xStart: Int, _ y: UnsafePointer<Double>, from yStart: Int = 0, count: Int
) -> Double {
  var (sum, place) = (0.0, 0)
  while place < count {
    sum += x[xStart + place] * y[yStart + place]
    place += 1
  }
  return sum
}

/// `y += scale x`, from one element on.
private func add(
  _ y: UnsafeMutablePointer<Double>, _ scale: Double, _ x: UnsafePointer<Double>, from start: Int, count: Int
) {
  var place = start
  while place < start + count {
    y[place] += scale * x[place]
    place += 1
  }
}
