package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"unsafe"
)

// run is a call of [Trainer.Run] or [Router.Extend], as its callback sees it.
type run struct {
	ctx         context.Context
	report      func(Progress)
	validations []Metrics
	err         error // of the context
	panicked    any   // what report panicked with
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
	if r.err != nil {
		return r.err
	}
	return err
}

// armsGoProgress is the callback of every run. A panic must not unwind C's frames: it cancels the run,
// and goes on when that has returned.
//
//export armsGoProgress
func armsGoProgress(progress *C.arms_progress, userData unsafe.Pointer) (cancels C.int32_t) {
	run := (*cgo.Handle)(userData).Value().(*run)
	defer func() {
		if run.panicked = recover(); run.panicked != nil {
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
