import CKernels
import Testing

@testable import ARMS

@Suite struct ResamplingTests {
  @Test func theLongerSideIsTruncated() {
    #expect(CropAxis(640, shorter: 480, resizeSize: 224, cropSize: 224).resized == 298)
    #expect(CropAxis(480, shorter: 480, resizeSize: 224, cropSize: 224).resized == 224)
    #expect(CropAxis(640, shorter: 480, resizeSize: 224, cropSize: 224).window == 37..<261)
  }

  @Test(arguments: [(1, 5), (5, 1), (3, 1000), (1000, 3), (224, 224), (4032, 224), (223, 224)])
  func coefficientsOfAnOutputSumToOne(inputs: Int, outputs: Int) throws {
    let arena = ScratchArena()
    defer { extendLifetime(arena) }
    let filter = try BicubicFilter(
      inputs: inputs, extent: Double(inputs), outputs: outputs, window: 0..<outputs, in: arena)
    for (output, start) in filter.starts.enumerated() {
      let coefficients = filter.coefficients[output * filter.taps..<(output + 1) * filter.taps]
      let sum = coefficients.reduce(0) { $0 + Int($1) }
      #expect(abs(sum - 1 << ck_coefficient_bits) <= filter.taps)
      #expect(start >= 0 && start + filter.taps <= inputs)
    }
  }

  @Test func theSameSizeIsTheIdentity() throws {
    let arena = ScratchArena()
    defer { extendLifetime(arena) }
    let filter = try BicubicFilter(inputs: 9, extent: 9, outputs: 9, window: 2..<7, in: arena)
    for output in 0..<5 {
      for tap in 0..<filter.taps {
        let isSelf = filter.starts[output] + tap == output + 2
        #expect(filter.coefficients[output * filter.taps + tap] == (isSelf ? 1 << ck_coefficient_bits : 0))
      }
    }
  }

  @Test func aHeightThatShrinksMoreThanTwiceAsFarIsResampledFirst() {
    #expect(Resampler.startsVertically(from: (300, 601), to: (224, 448)))
    #expect(!Resampler.startsVertically(from: (300, 600), to: (224, 448)))
    #expect(!Resampler.startsVertically(from: (601, 300), to: (448, 224)))
    #expect(!Resampler.startsVertically(from: (37, 1000), to: (224, 6054)))
  }
}
