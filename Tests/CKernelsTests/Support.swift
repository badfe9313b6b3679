import CKernels
import Testing

/// A kernel table of this machine; printed by its name in the tests' arguments.
struct ISA: CustomTestStringConvertible, Sendable {
  let testDescription: String
  nonisolated(unsafe) let kernels: ck_kernels

  /// Every instruction set that this build and CPU have.
  static let available: [ISA] = [
    "scalar", "avx2", "avxvnni", "avx512vnni", "avx512bf16", "amx", "neon",
  ].compactMap { name in
    ck_kernels_named(name).map { ISA(testDescription: name, kernels: $0.pointee) }
  }
  static let scalar = available[0]
}

/// SplitMix64, so that every run sees the same values.
struct Random: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}

/// The largest absolute difference; infinite if a value is not a number.
func largestError(_ values: some Sequence<Float>, _ expected: some Sequence<Double>) -> Double {
  zip(values, expected).reduce(0) { worst, pair in
    let error = abs(Double(pair.0) - pair.1)
    return error.isNaN ? .infinity : max(worst, error)
  }
}
