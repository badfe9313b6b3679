import ARMS
public import CARMS
import Glibc

/// Where the process's messages go.
private final class LogSink: @unchecked Sendable {
  // Immutable; the host has said that its pointer may be used on any thread. That is why @unchecked holds.
  let callback: arms_log_callback?
  let userData: UnsafeMutableRawPointer?

  init(_ callback: arms_log_callback?, _ userData: UnsafeMutableRawPointer?) {
    self.callback = callback
    self.userData = userData
  }

  static let present = SnapshotCell(LogSink(nil, nil))

  /// Set on a thread while it is in the callback: what fails in there is not logged, or it would go on for ever.
  /// Nil if the process has no key left for it.
  static let isInside: pthread_key_t? = {
    var key = pthread_key_t()
    return pthread_key_create(&key, nil) == 0 ? key : nil
  }()
}

/// Sets what the process's messages go to. Documented in `arms.h`.
@_cdecl("arms_log_set") @implementation
public func arms_log_set(_ callback: arms_log_callback?, _ userData: UnsafeMutableRawPointer?) {
  withoutCancellation { _ = LogSink.present.update { _ in LogSink(callback, userData) } }
}

/// Gives the host a message, if it wants any. Never called with a lock held.
func log(_ level: arms_log_level, _ message: @autoclosure () -> String) {
  let sink = LogSink.present.load()
  // Without a key what is called from the callback could not be told, and messages are dropped.
  guard let callback = sink.callback, let isInside = LogSink.isInside, pthread_getspecific(isInside) == nil
  else { return }
  pthread_setspecific(isInside, UnsafeRawPointer(bitPattern: 1))
  message().withCString { callback(Int32(level.rawValue), $0, sink.userData) }
  pthread_setspecific(isInside, nil)
}

/// Logs that a router has other weights.
func logReplaced(generation: UInt64, by function: String) {
  log(ARMS_LOG_INFO, "\(function): generation \(generation)")
}

/// Logs that an export failed. A buffer that is too small is no failure: so a host asks for the size.
func logFailure(of function: StaticString, _ error: ARMSError) {
  guard error.code != .bufferTooSmall else { return }
  log(ARMS_LOG_ERROR, "\("\(function)".prefix { $0 != "(" }): \(error.message)")
}
