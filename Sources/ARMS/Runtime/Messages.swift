import Glibc

// Parts of error messages. A message is one line, and what it quotes comes from outside.

/// The text of an errno value, from the thread-safe `strerror_r`.
func errorText(_ code: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
    guard let start = buffer.baseAddress, strerror_r(code, start, buffer.count) == 0 else {
      return "error \(code)"
    }
    return String(cString: start)
  }
}

/// `text` as it is if it is one printable line, else quoted with its control characters escaped.
package func printable(_ text: String) -> String {
  let isPlain = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
  return isPlain ? text : text.debugDescription
}

/// `text` in quotes, control characters escaped, cut to a length that keeps a message readable.
func quoted(_ text: String) -> String {
  let limit = 96
  let scalars = text.unicodeScalars
  guard let end = scalars.index(scalars.startIndex, offsetBy: limit, limitedBy: scalars.endIndex),
    end != scalars.endIndex
  else { return text.debugDescription }
  return String(scalars[..<end]).debugDescription + "..."
}
