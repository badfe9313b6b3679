import CKernels
import Glibc
import Testing

@Suite struct ActivationBackwardTests {
  @Test(arguments: ISA.available, [CK_IDENTITY.rawValue, CK_GELU.rawValue, CK_QUICK_GELU.rawValue])
  func isTheDerivative(_ isa: ISA, _ raw: UInt32) {
    let activation = ck_activation(rawValue: raw)
    let x = (-1_200...1_200).map { Float($0) / 100 } + [-1e4, 1e4]
    var dy = [Float](repeating: 2, count: x.count)
    isa.kernels.activation_backward(x, x.count, activation, &dy)
    let expected = x.map { value in
      let (value, step) = (Double(value), 1e-5)
      return 2 * (activate(value + step, activation) - activate(value - step, activation)) / (2 * step)
    }
    #expect(largestError(dy, expected) <= 4e-6)
  }
}

@Suite struct LayerNormBackwardTests {
  @Test(arguments: ISA.available, [1, 7, 16, 33, 100])
  func isTheDerivative(_ isa: ISA, _ columns: Int) {
    var random = Random(5)
    let (rows, epsilon) = (3, Float(1e-3))
    let x = random.floats(rows * columns, in: -2...3)
    let dy = random.floats(rows * columns)
    let gamma = random.floats(columns, in: 0.5...1.5)
    let beta = random.floats(columns)
    var dx = dy
    var dgamma = [Float](repeating: 1, count: columns)
    var dbeta = [Float](repeating: -1, count: columns)
    dx.withUnsafeMutableBufferPointer { both in
      // In place: the gradient of the input takes the place of the output's.
      isa.kernels.layer_norm_backward(
        x, columns, both.baseAddress, columns, rows, columns, gamma, epsilon, both.baseAddress, columns,
        &dgamma,
        &dbeta)
    }
    func loss(_ x: [Double], _ gamma: [Double], _ beta: [Double]) -> Double {
      (0..<rows).reduce(0) { sum, row in
        let values = x[row * columns..<(row + 1) * columns]
        let mean = values.reduce(0, +) / Double(columns)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
        return sum
          + (0..<columns).reduce(0) {
            let normal = (values[row * columns + $1] - mean) / (variance + Double(epsilon)).squareRoot()
            return $0 + Double(dy[row * columns + $1]) * (normal * gamma[$1] + beta[$1])
          }
      }
    }
    let (x64, gamma64, beta64) = (x.map(Double.init), gamma.map(Double.init), beta.map(Double.init))
    func slope(_ values: [Double], _ index: Int, _ f: ([Double]) -> Double) -> Double {
      var (above, below) = (values, values)
      above[index] += 1e-6
      below[index] -= 1e-6
      return (f(above) - f(below)) / 2e-6
    }
    let tolerance = 2e-5 * Double(columns == 1 ? 1 : 10)
    #expect(largestError(dx, x.indices.map { slope(x64, $0) { loss($0, gamma64, beta64) } }) <= tolerance)
    #expect(
      largestError(dgamma, gamma.indices.map { 1 + slope(gamma64, $0) { loss(x64, $0, beta64) } })
        <= tolerance)
    #expect(
      largestError(dbeta, beta.indices.map { -1 + slope(beta64, $0) { loss(x64, gamma64, $0) } }) <= tolerance
    )
  }
}

@Suite struct AdamWTests {
  @Test(arguments: ISA.available, [1, 7, 16, 33, 100])
  func followsTheEquations(_ isa: ISA, _ count: Int) {
    var random = Random(6)
    var value = random.floats(count)
    var (first, second) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
    var (value64, first64, second64) = (
      value.map(Double.init), first.map(Double.init), second.map(Double.init)
    )
    let (rate, decay, beta1, beta2, epsilon) = (0.01, 0.1, 0.9, 0.999, 1e-8)
    for step in 1...5 {
      let gradient = random.floats(count)
      let (correction1, correction2) = (1 - pow(beta1, Double(step)), 1 - pow(beta2, Double(step)))
      value.withUnsafeMutableBufferPointer { value in
        first.withUnsafeMutableBufferPointer { first in
          second.withUnsafeMutableBufferPointer { second in
            gradient.withUnsafeBufferPointer { gradient in
              var arguments = ck_adamw(
                value: value.baseAddress, gradient: gradient.baseAddress, first: first.baseAddress,
                second: second.baseAddress, count: count, gradient_scale: 0.5,
                kept: Float(1 - rate * decay), beta1: Float(beta1), beta2: Float(beta2),
                rate: Float(rate / correction1), correction: Float(1 / correction2.squareRoot()),
                epsilon: Float(epsilon))
              isa.kernels.adamw(&arguments)
            }
          }
        }
      }
      for index in 0..<count {
        let g = Double(gradient[index]) / 2
        first64[index] = beta1 * first64[index] + (1 - beta1) * g
        second64[index] = beta2 * second64[index] + (1 - beta2) * g * g
        value64[index] *= 1 - rate * decay
        value64[index] -=
          rate * (first64[index] / correction1) / ((second64[index] / correction2).squareRoot() + epsilon)
      }
    }
    #expect(largestError(value, value64) <= 1e-5)
    #expect(largestError(first, first64) <= 1e-6)
  }
}
