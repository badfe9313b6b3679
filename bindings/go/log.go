package arms

/*
#include <arms.h>

// A const is lost on the way through cgo.
extern void armsLog(int32_t level, char *message, void *user_data);
*/
import "C"

import (
	"sync/atomic"
	"unsafe"
)

// LogLevel says how serious a message is.
type LogLevel int

// The levels of the library.
const (
	// LogError: a call failed, and has returned that error as well.
	LogError LogLevel = C.ARMS_LOG_ERROR
	// LogInfo: a router was opened, or its weights were replaced, by a commit or an extension too.
	LogInfo LogLevel = C.ARMS_LOG_INFO
)

// LogFunc is given one line about what happened. It is called in the goroutine whose call it is about,
// and by several at once. It returns to the library, amid that call: a panic in it is recovered and
// dropped, and it must not call [runtime.Goexit], as FailNow of a test does.
type LogFunc func(level LogLevel, message string)

var logFunc atomic.Pointer[LogFunc]

// SetLog sets what the messages of the whole process go to; nil, as in the beginning: nothing. Calls that
// other goroutines have begun may still use the one before.
func SetLog(log LogFunc) {
	if log == nil {
		logFunc.Store(nil)
		C.arms_log_set(nil, nil)
		return
	}
	logFunc.Store(&log)
	C.arms_log_set(C.arms_log_callback(unsafe.Pointer(C.armsLog)), nil)
}

// armsLog is the callback of the library. A panic must not unwind C's frames, and no call may fail because
// of its message.
//
//export armsLog
func armsLog(level C.int32_t, message *C.char, _ unsafe.Pointer) {
	defer func() { _ = recover() }()
	if log := logFunc.Load(); log != nil {
		(*log)(LogLevel(level), C.GoString(message))
	}
}
