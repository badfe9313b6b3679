/// What went wrong, in which input, and what would be right.
///
/// Every throwing function of this module throws this type. The message is one line, names the
/// offending input and says what would be accepted, so that a host can log it as it is.
public struct ARMSError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure. The raw values are those of `arms_status` in `arms.h`, and never reused.
  public enum Code: Int32, Sendable, CaseIterable {
    /// An argument is missing, out of range, or contradicts another.
    case invalidArgument = 1
    /// A handle was freed, never existed, or is of another type.
    case invalidHandle = 2
    /// A named candidate does not exist.
    case notFound = 3
    /// A candidate or outcome that is to be added is there already.
    case alreadyExists = 4
    /// A file cannot be opened, read or written.
    case io = 5
    /// A model file is not one, is damaged, or contradicts itself.
    case invalidModel = 6
    /// An image cannot be decoded.
    case invalidImage = 7
    /// A text is not UTF-8.
    case invalidText = 8
    /// A value is NaN or infinite where a number is needed.
    case notFinite = 9
    /// The input is well-formed but larger than the limits in force.
    case limitExceeded = 10
    /// Memory could not be had.
    case outOfMemory = 11
    /// The request is well-formed but this library or this machine cannot do it.
    case unsupported = 12
    /// No candidate is left to choose from.
    case noCandidates = 13
    /// A policy or ceiling needs a cost or a latency that is unknown.
    case missingValue = 14
    /// The caller's buffer is too small; the needed size was reported.
    case bufferTooSmall = 15
    /// The caller's callback asked to stop.
    case cancelled = 16
    /// A defect in this library. Please report it.
    case `internal` = 17
    /// Another call on the same object is under way.
    case busy = 18
    /// The router was changed meanwhile, or since the trainer was made; do it again.
    case conflict = 19
  }

  /// The kind of failure.
  public let code: Code
  /// One line: the input at fault, what is wrong with it, and what would be right.
  public let message: String

  /// Makes an error. What would break the line in `message` is escaped, and a very long one is cut.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = Self.oneLine(message)
  }

  /// A message quotes paths, names and keys of whoever caused it, which a log cannot be trusted with.
  private static func oneLine(_ text: String) -> String {
    let limit = 2_048
    func breaksLine(_ scalar: Unicode.Scalar) -> Bool {
      scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x2028...0x2029).contains(scalar.value)
    }
    let scalars = text.unicodeScalars
    if text.utf8.count <= limit, !scalars.contains(where: breaksLine) { return text }
    var line = ""
    for scalar in scalars.prefix(limit) {
      if breaksLine(scalar) {
        line += scalar.escaped(asASCII: true)
      } else {
        line.unicodeScalars.append(scalar)
      }
    }
    return scalars.count > limit ? line + "..." : line
  }

  /// The code and the message.
  public var description: String { "\(code): \(message)" }
}

/// Runs `body`; its error begins with `label`, which is made only then, if it is not nil.
package func naming<R>(
  _ label: @autoclosure () -> String?, _ body: () throws(ARMSError) -> R
) throws(ARMSError) -> R {
  do throws(ARMSError) {
    return try body()
  } catch {
    guard let label = label() else { throw error }
    throw ARMSError(error.code, "\(label): \(error.message)")
  }
}
