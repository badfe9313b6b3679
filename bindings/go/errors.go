package arms

/*
#include <errno.h>
#include <string.h>
#include <arms.h>
*/
import "C"

import (
	"io/fs"
	"strings"
)

// Status is the kind of a failure.
type Status int32

// The statuses of the library. Numbers are never reused.
const (
	StatusOK              Status = C.ARMS_OK
	StatusInvalidArgument Status = C.ARMS_ERROR_INVALID_ARGUMENT
	StatusInvalidHandle   Status = C.ARMS_ERROR_INVALID_HANDLE
	StatusNotFound        Status = C.ARMS_ERROR_NOT_FOUND
	StatusAlreadyExists   Status = C.ARMS_ERROR_ALREADY_EXISTS
	StatusIO              Status = C.ARMS_ERROR_IO
	StatusInvalidModel    Status = C.ARMS_ERROR_INVALID_MODEL
	StatusInvalidImage    Status = C.ARMS_ERROR_INVALID_IMAGE
	StatusInvalidText     Status = C.ARMS_ERROR_INVALID_TEXT
	StatusNotFinite       Status = C.ARMS_ERROR_NOT_FINITE
	StatusLimitExceeded   Status = C.ARMS_ERROR_LIMIT_EXCEEDED
	StatusOutOfMemory     Status = C.ARMS_ERROR_OUT_OF_MEMORY
	StatusUnsupported     Status = C.ARMS_ERROR_UNSUPPORTED
	StatusNoCandidates    Status = C.ARMS_ERROR_NO_CANDIDATES
	StatusMissingValue    Status = C.ARMS_ERROR_MISSING_VALUE
	StatusBufferTooSmall  Status = C.ARMS_ERROR_BUFFER_TOO_SMALL
	StatusCancelled       Status = C.ARMS_ERROR_CANCELLED
	StatusInternal        Status = C.ARMS_ERROR_INTERNAL
	StatusBusy            Status = C.ARMS_ERROR_BUSY
	StatusConflict        Status = C.ARMS_ERROR_CONFLICT
)

// String returns the status's name in arms.h, "ARMS_ERROR_IO" say.
func (s Status) String() string { return C.GoString(C.arms_status_name(C.arms_status(s))) }

// What errors.Is finds in an [Error], one for each status.
var (
	// ErrInvalidArgument: an argument is missing, out of range, or contradicts another.
	ErrInvalidArgument error = sentinel(StatusInvalidArgument)
	// ErrInvalidHandle: a value was used after its Close, or was not made by this package.
	ErrInvalidHandle error = sentinel(StatusInvalidHandle)
	// ErrNotFound: a named candidate does not exist.
	ErrNotFound error = sentinel(StatusNotFound)
	// ErrAlreadyExists: a candidate, or its outcome for a query, exists already.
	ErrAlreadyExists error = sentinel(StatusAlreadyExists)
	// ErrIO: a file cannot be opened, read or written.
	ErrIO error = sentinel(StatusIO)
	// ErrInvalidModel: a model file is not one, is damaged, or contradicts itself.
	ErrInvalidModel error = sentinel(StatusInvalidModel)
	// ErrInvalidImage: an image cannot be decoded.
	ErrInvalidImage error = sentinel(StatusInvalidImage)
	// ErrInvalidText: a text is not UTF-8.
	ErrInvalidText error = sentinel(StatusInvalidText)
	// ErrNotFinite: a value is NaN or infinite where a number is needed.
	ErrNotFinite error = sentinel(StatusNotFinite)
	// ErrLimitExceeded: an input is well-formed, but larger than the limits in force.
	ErrLimitExceeded error = sentinel(StatusLimitExceeded)
	// ErrOutOfMemory: memory could not be had.
	ErrOutOfMemory error = sentinel(StatusOutOfMemory)
	// ErrUnsupported: a request is well-formed, but this library or machine cannot do it.
	ErrUnsupported error = sentinel(StatusUnsupported)
	// ErrNoCandidates: no candidate is left to choose from.
	ErrNoCandidates error = sentinel(StatusNoCandidates)
	// ErrMissingValue: the policy needs a cost or latency that a candidate lacks.
	ErrMissingValue error = sentinel(StatusMissingValue)
	// ErrBufferTooSmall: a buffer was too small. This package sizes its buffers itself.
	ErrBufferTooSmall error = sentinel(StatusBufferTooSmall)
	// ErrCancelled: a callback asked to stop.
	ErrCancelled error = sentinel(StatusCancelled)
	// ErrInternal: a defect in the library; please report it.
	ErrInternal error = sentinel(StatusInternal)
	// ErrBusy: another call on the same trainer is under way.
	ErrBusy error = sentinel(StatusBusy)
	// ErrConflict: the router was changed meanwhile, or since the trainer was made; do it again.
	ErrConflict error = sentinel(StatusConflict)
)

// Error is what went wrong in a call. errors.Is compares it with the Err variables, and with [fs.ErrNotExist] and
// [fs.ErrPermission].
type Error struct {
	// Status is the kind of the failure.
	Status Status
	// Message is one line: the input at fault, what is wrong with it and what would be right.
	Message string
}

// Error returns the message, with the package's name in front.
func (e *Error) Error() string { return "arms: " + e.Message }

// Unwrap returns the Err variable of the error's status.
func (e *Error) Unwrap() error { return sentinel(e.Status) }

// Is reports whether target is [fs.ErrNotExist] and the error is that a file, or the folder that it is to be
// written to, does not exist, or target is [fs.ErrPermission] and the error is that this is not allowed.
func (e *Error) Is(target error) bool {
	switch {
	case e.Status != StatusIO:
		return false
	case target == fs.ErrNotExist:
		return e.isOf(C.ENOENT)
	case target == fs.ErrPermission:
		return e.isOf(C.EACCES) || e.isOf(C.EPERM)
	}
	return false
}

// isOf reports whether the system's reason is that of an errno value: the library's message ends with its text.
func (e *Error) isOf(code C.int) bool {
	return strings.HasSuffix(e.Message, ": "+C.GoString(C.strerror(code)))
}

// sentinel is a status as an error that errors.Is can compare.
type sentinel Status

func (s sentinel) Error() string {
	name := strings.TrimPrefix(Status(s).String(), "ARMS_ERROR_")
	return "arms: " + strings.ReplaceAll(strings.ToLower(name), "_", " ")
}

// check makes a Go error of a call's result and frees the library's. It takes the address of cause,
// because Go does not say whether a variable beside a call is read before or after it.
func check(status C.arms_status, cause **C.arms_error) error {
	if status == C.ARMS_OK {
		return nil
	}
	defer C.arms_error_free(*cause)
	message := C.GoString(C.arms_error_message(*cause))
	if message == "" {
		message = sentinel(status).Error()[len("arms: "):]
	}
	return &Error{Status(status), message}
}
