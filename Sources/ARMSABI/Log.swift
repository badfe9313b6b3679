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
  static let isInside: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()
}

/// Sets what the process's messages go to. Documented in `arms.h`.
@_cdecl("arms_log_set") @implementation
public func arms_log_set(_ callback: arms_log_callback?, _ userData: UnsafeMutableRawPointer?) {
  LogSink.present.update { _ in LogSink(callback, userData) }
}

/// Gives the host a message, if it wants any. Never called with a lock held.
func log(_ level: arms_log_level, _ message: @autoclosure () -> String) {
  let sink = LogSink.present.load()
  guard let callback = sink.callback, pthread_getspecific(LogSink.isInside) == nil else { return }
  pthread_setspecific(LogSink.isInside, UnsafeRawPointer(bitPattern: 1))
  message().withCString { callback(Int32(level.rawValue), $0, sink.userData) }
  pthread_setspecific(LogSink.isInside, nil)
}

/// Logs that an export failed. A buffer that is too small is no failure: so a host asks for the size.
func logFailure(of function: StaticString, _ error: ARMSError) {
  guard error.code != .bufferTooSmall else { return }
  log(ARMS_LOG_ERROR, "\("\(function)".prefix { $0 != "(" }): \(error.message)")
}
