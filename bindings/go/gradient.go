package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// TensorRange says where a trained tensor lies in the buffers of a trainer.
type TensorRange struct {
	Name   string // in the model file
	Offset int    // of its first number
	Count  int    // its numbers
}

// ComputeGradients computes the gradients of the mean weighted loss of some queries, and returns that
// loss. Queries are numbered in the order in which they were first added to the data set. The loss is that of
// a run, with the routing term; classes are balanced over the whole data set, whatever the queries are. ctx is
// looked at before it begins only.
//
// To train over several processes, compute the gradients of a share of each batch, exchange them by
// [Trainer.Gradients], and apply what all agree on.
//
// Errors: as [Trainer.Run], and [ErrUnsupported] for a trainer with a TeacherWeight or BaseRates, which only
// a run follows.
func (t *Trainer) ComputeGradients(
	ctx context.Context, data *DataSet, queries []int,
) (loss float64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	defer runtime.KeepAlive(t)
	defer runtime.KeepAlive(data)
	places := make([]C.size_t, len(queries))
	for i, query := range queries {
		places[i] = C.size_t(query) // what is negative is more than any data set holds
	}
	var mean C.double
	var cause *C.arms_error
	status := C.arms_trainer_compute_gradients(
		t.handle, data.pointer(), first(places), C.size_t(len(places)), &mean, &cause)
	return float64(mean), check(status, &cause)
}

// ApplyGradients changes the parameters by one step of AdamW, with the gradients as they are. Nothing is
// changed when one of them is not finite.
//
// Errors: [ErrBusy], [ErrNotFinite], [ErrInvalidArgument], [ErrInvalidHandle].
func (t *Trainer) ApplyGradients(learningRate float64) error {
	defer runtime.KeepAlive(t)
	var cause *C.arms_error
	return check(C.arms_trainer_apply_gradients(t.handle, C.double(learningRate), &cause), &cause)
}

// Parameters calls use with the trained weights, where they lie: what it writes changes them. The slice
// is valid until use returns, whoever calls Close meanwhile. No call that computes with the trainer may be
// under way, but use may call Gradients, as an optimizer of one's own does, which needs both slices.
//
// Errors: [ErrInvalidHandle], and what use returns.
func (t *Trainer) Parameters(use func(parameters []float32) error) error {
	return t.buffer(use, func(values **C.float, count *C.size_t, cause **C.arms_error) C.arms_status {
		return C.arms_trainer_parameters(t.handle, values, count, cause)
	})
}

// Gradients calls use with the gradients, each in the place of its weight; as [Trainer.Parameters].
//
// Errors: [ErrInvalidHandle], and what use returns.
func (t *Trainer) Gradients(use func(gradients []float32) error) error {
	return t.buffer(use, func(values **C.float, count *C.size_t, cause **C.arms_error) C.arms_status {
		return C.arms_trainer_gradients(t.handle, values, count, cause)
	})
}

func (t *Trainer) buffer(
	use func([]float32) error,
	find func(values **C.float, count *C.size_t, cause **C.arms_error) C.arms_status,
) error {
	defer runtime.KeepAlive(t)
	if t.hold() {
		defer t.leave()
	}
	var values *C.float
	var count C.size_t
	var cause *C.arms_error
	if err := check(find(&values, &count, &cause), &cause); err != nil {
		return err
	}
	return use(unsafe.Slice((*float32)(values), int(count)))
}

// Layout returns the trained tensors in the order of the buffers; what lies between them is 0.
//
// Errors: [ErrInvalidHandle].
func (t *Trainer) Layout() ([]TensorRange, error) {
	defer runtime.KeepAlive(t)
	given, err := filled(func(
		buffer *C.arms_tensor_range, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		if buffer != nil {
			buffer.struct_size = C.sizeof_arms_tensor_range
		}
		return C.arms_trainer_layout(t.handle, buffer, capacity, count, cause)
	})
	if err != nil {
		return nil, err
	}
	ranges := make([]TensorRange, len(given))
	for i := range given {
		ranges[i] = TensorRange{
			C.GoString(&given[i].name[0]), int(given[i].offset), int(given[i].count)}
	}
	return ranges, nil
}
