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

// run is a call of [Trainer.Run], as its callback sees it.
type run struct {
	ctx         context.Context
	report      func(Progress)
	validations []Metrics
	err         error // of the context
	panicked    any   // what report panicked with
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
