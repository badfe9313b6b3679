package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime/cgo"
	"runtime/debug"
	"unsafe"
)

// PanicError is what [Trainer.Run] and [Router.Extend] panic with when Progress has panicked: that panic ends
// at the library's frames, and its stack would be lost with it.
type PanicError struct {
	// Value is what Progress panicked with.
	Value any
	// Stack is the stack of that panic, as [debug.Stack] formats it.
	Stack []byte
}

// Error returns the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("arms: Progress panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// run is a call of [Trainer.Run] or [Router.Extend], as its callback sees it.
type run struct {
	ctx         context.Context
	report      func(Progress)
	validations []Metrics
	err         error       // of the context
	panicked    *PanicError // that report did
}

// steps makes a call whose callback is armsGoProgress with userData.
func (r *run) steps(
	a *arguments, call func(userData unsafe.Pointer, cause **C.arms_error) C.arms_status,
) error {
	// C hands back a pointer, which must not be one into Go's memory: it leads to the run's handle.
	reference := (*cgo.Handle)(a.zeroed(1, C.sizeof_uintptr_t))
	*reference = cgo.NewHandle(r)
	defer reference.Delete()
	var cause *C.arms_error
	err := check(call(unsafe.Pointer(reference), &cause), &cause)
	if r.panicked != nil {
		panic(r.panicked)
	}
	// What fails after the cancelling step is told: its checkpoint is not written, say.
	if r.err != nil && (err == nil || errors.Is(err, ErrCancelled)) {
		return r.err
	}
	return err
}

// armsGoProgress is the callback of every run. A panic must not unwind C's frames: it cancels the run,
// which panics when it has returned.
//
//export armsGoProgress
func armsGoProgress(progress *C.arms_progress, userData unsafe.Pointer) (cancels C.int32_t) {
	run := (*cgo.Handle)(userData).Value().(*run)
	defer func() {
		if value := recover(); value != nil {
			run.panicked = &PanicError{value, debug.Stack()}
			cancels = 1
		}
	}()
	made := newProgress(progress)
	if made.Validation != nil {
		run.validations = append(run.validations, *made.Validation)
	}
	if run.report != nil {
		run.report(made)
	}
	if run.err = run.ctx.Err(); run.err != nil {
		return 1
	}
	return 0
}

func newProgress(progress *C.arms_progress) Progress {
	result := Progress{
		Epoch:        int(progress.epoch),
		Step:         int(progress.step),
		StepCount:    int(progress.step_count),
		Loss:         float64(progress.loss),
		LearningRate: float64(progress.learning_rate),
	}
	if progress.validation != nil {
		metrics := newMetrics(progress.validation)
		result.Validation = &metrics
	}
	return result
}
