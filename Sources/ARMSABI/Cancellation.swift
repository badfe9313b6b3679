import Glibc

/// Runs `body`, in which the thread is not cancelled: locks would stay taken, and every other thread wait for them.
///
/// A thread that may be cancelled anywhere is made one that is cancelled at certain points as well: to such a thread
/// pthread_cancel() sends a signal, and glibc 2.36 obeys one that comes after the state was changed.
func withoutCancellation<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
  var state: Int32 = 0
  var type: Int32 = 0
  pthread_setcancelstate(Int32(PTHREAD_CANCEL_DISABLE), &state)
  pthread_setcanceltype(Int32(PTHREAD_CANCEL_DEFERRED), &type)
  defer {
    pthread_setcanceltype(type, nil)
    pthread_setcancelstate(state, nil)
  }
  return try body()
}
