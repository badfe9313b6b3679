import ARMS
public import CARMS
import Glibc

/// An error as C sees it: a status, and behind it the text with its NUL.
private struct ErrorHeader {
  let status: Int32
}

/// Allocates an error; nil if there is no memory for it, so that the status alone reaches the caller.
private func makeError(_ error: ARMSError) -> OpaquePointer? {
  let text = Array(error.message.utf8)
  let size = MemoryLayout<ErrorHeader>.size + text.count + 1
  guard let memory = malloc(size) else { return nil }
  memory.storeBytes(of: ErrorHeader(status: error.code.rawValue), as: ErrorHeader.self)
  let start = memory + MemoryLayout<ErrorHeader>.size
  text.withUnsafeBytes { bytes in
    if let base = bytes.baseAddress { memcpy(start, base, bytes.count) }
  }
  start.storeBytes(of: 0, toByteOffset: text.count, as: UInt8.self)
  return OpaquePointer(memory)
}

/// Runs an export's body: what it throws becomes a status and, if the caller wants one, an error. `function` is the
/// export. The thread is not cancelled meanwhile.
func reporting(
  _ error: UnsafeMutablePointer<OpaquePointer?>?, function: StaticString = #function,
  _ body: () throws(ARMSError) -> Void
) -> arms_status {
  withoutCancellation {
    do throws(ARMSError) {
      try body()
      return 0
    } catch let failure {
      if let error { error.pointee = makeError(failure) }
      logFailure(of: function, failure)
      return failure.code.rawValue
    }
  }
}

/// The status that came with an error. Documented in `arms.h`.
@_cdecl("arms_error_status") @implementation
public func arms_error_status(_ error: OpaquePointer?) -> arms_status {
  guard let error else { return 0 }
  return UnsafeRawPointer(error).load(as: ErrorHeader.self).status
}

private let emptyString: StaticString = ""

/// The one line of text of an error. Documented in `arms.h`.
@_cdecl("arms_error_message") @implementation
public func arms_error_message(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
  guard let error else { return constant(emptyString) }
  return (UnsafeRawPointer(error) + MemoryLayout<ErrorHeader>.size).assumingMemoryBound(to: CChar.self)
}

/// Frees an error. Documented in `arms.h`.
@_cdecl("arms_error_free") @implementation
public func arms_error_free(_ error: OpaquePointer?) {
  withoutCancellation { free(error.map { UnsafeMutableRawPointer($0) }) }
}

/// The name of a status. Documented in `arms.h`.
@_cdecl("arms_status_name") @implementation
public func arms_status_name(_ status: arms_status) -> UnsafePointer<CChar>? {
  constant(statusName(status))
}

/// A static string as C sees it.
func constant(_ string: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
}

private func statusName(_ status: arms_status) -> StaticString {
  // Over the codes, so that the compiler asks for the name of each.
  switch ARMSError.Code(rawValue: status) {
  case .invalidArgument?: "ARMS_ERROR_INVALID_ARGUMENT"
  case .invalidHandle?: "ARMS_ERROR_INVALID_HANDLE"
  case .notFound?: "ARMS_ERROR_NOT_FOUND"
  case .alreadyExists?: "ARMS_ERROR_ALREADY_EXISTS"
  case .io?: "ARMS_ERROR_IO"
  case .invalidModel?: "ARMS_ERROR_INVALID_MODEL"
  case .invalidImage?: "ARMS_ERROR_INVALID_IMAGE"
  case .invalidText?: "ARMS_ERROR_INVALID_TEXT"
  case .notFinite?: "ARMS_ERROR_NOT_FINITE"
  case .limitExceeded?: "ARMS_ERROR_LIMIT_EXCEEDED"
  case .outOfMemory?: "ARMS_ERROR_OUT_OF_MEMORY"
  case .unsupported?: "ARMS_ERROR_UNSUPPORTED"
  case .noCandidates?: "ARMS_ERROR_NO_CANDIDATES"
  case .missingValue?: "ARMS_ERROR_MISSING_VALUE"
  case .bufferTooSmall?: "ARMS_ERROR_BUFFER_TOO_SMALL"
  case .cancelled?: "ARMS_ERROR_CANCELLED"
  case .internal?: "ARMS_ERROR_INTERNAL"
  case .busy?: "ARMS_ERROR_BUSY"
  case .conflict?: "ARMS_ERROR_CONFLICT"
  case nil: status == 0 ? "ARMS_OK" : "ARMS_ERROR_UNKNOWN"
  }
}
