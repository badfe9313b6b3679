import CBenchmark
import CKernels

/// The machine's rate of 8-bit multiply-adds in the instruction set of the engine's kernels, measured in the same run
/// as what it is compared with.
struct Peak {
  private let isa = String(cString: ck_kernels_best().pointee.isa)
  /// Multiply-adds a second by number of threads.
  private var rates: [Int: Double] = [:]

  /// Measures again and keeps the best: what others run on the machine can only lower a rate.
  mutating func measure(threads: [Int], seconds: Double) {
    for count in threads {
      rates[count] = max(rates[count] ?? 0, cb_int8_peak(isa, UInt32(count), seconds))
    }
  }

  /// Milliseconds that `multiplyAdds` take at the peak; nil where it is not known.
  func milliseconds(_ multiplyAdds: Int, threads: Int) -> Double? {
    guard let rate = rates[threads], rate > 0 else { return nil }
    return Double(multiplyAdds) / rate * 1e3
  }

  var table: Table {
    var table = Table("int8_peak", ["threads", "instruction", "gmac_per_s"])
    for (threads, rate) in rates.sorted(by: { $0.key < $1.key }) {
      let instruction = String(cString: cb_int8_instruction(isa))
      table.add([.count(threads), .text(instruction), .number(rate / 1e9, digits: 1)])
    }
    return table
  }
}
