package arms

/*
#include <arms.h>
*/
import "C"

import (
	"math"
	"runtime"
	"sync/atomic"
)

// Outcome is what a candidate's answer to a query was worth.
type Outcome struct {
	Candidate string   // its name
	Correct   bool     // the label: whether it answered correctly
	Weight    float32  // how much it counts, 1e-18 to 1e18; 0: 1
	Cost      *float64 // US dollars that the answer cost; nil: not known. See Known.
}

// Sample is a query and the outcomes that are known of it: a gateway's log knows only the candidate
// that it called, a benchmark all of them.
type Sample struct {
	Question string
	Images   []Image
	Outcomes []Outcome // at least one, each candidate at most once
}

// DataSet holds samples to train on and to evaluate with. It only grows, holds copies of what it is
// given, and belongs to no router.
type DataSet struct {
	handle *C.arms_dataset
	closed atomic.Bool
}

// NewDataSet returns an empty data set.
func NewDataSet() (*DataSet, error) {
	if err := checkABI(); err != nil {
		return nil, err
	}
	data := &DataSet{}
	var cause *C.arms_error
	if err := check(C.arms_dataset_create(&data.handle, &cause), &cause); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(data, (*DataSet).Close)
	return data, nil
}

// Close frees the data set. Calls that read it in other goroutines finish undisturbed. The result is
// always nil, also of a second Close.
func (d *DataSet) Close() error {
	if !d.closed.Swap(true) {
		runtime.SetFinalizer(d, nil)
		C.arms_dataset_free(d.handle)
	}
	return nil
}

// Add adds samples, all or none. Samples of one query, which are those with the same question and the
// same images given in the same way, are joined: a log may be added row by row. An image that many
// samples share is kept once; of an image given as a path the path is kept, and the file read when
// the image is encoded: once, and again when it was written anew.
//
// Errors: [ErrAlreadyExists] (a second outcome of a candidate for one query), [ErrNotFinite],
// [ErrInvalidText], [ErrInvalidImage], [ErrLimitExceeded], [ErrInvalidArgument], [ErrInvalidHandle].
func (d *DataSet) Add(samples ...Sample) error {
	defer runtime.KeepAlive(d)
	var a arguments
	defer a.release()
	array := structs(&a, samples, a.sample)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(C.arms_dataset_add(d.handle, array, C.size_t(len(samples)), &cause), &cause)
}

// Count returns how many queries there are, samples of one query counted once, and how many outcomes
// of them.
//
// Errors: [ErrInvalidHandle].
func (d *DataSet) Count() (queries, outcomes int, err error) {
	defer runtime.KeepAlive(d)
	var count, outcomeCount C.size_t
	var cause *C.arms_error
	err = check(C.arms_dataset_count(d.handle, &count, &outcomeCount, &cause), &cause)
	return int(count), int(outcomeCount), err
}

// DataSetMemory says what memory a data set holds, in bytes.
type DataSetMemory struct {
	Samples uint64 // copies of questions, images and outcomes
	Cache   uint64 // what frozen layers made of them, and prepared images, for the next epoch
}

// Memory says what memory the data set holds.
//
// Errors: [ErrInvalidHandle].
func (d *DataSet) Memory() (DataSetMemory, error) {
	defer runtime.KeepAlive(d)
	memory := C.arms_dataset_bytes{struct_size: C.sizeof_arms_dataset_bytes}
	var cause *C.arms_error
	err := check(C.arms_dataset_memory(d.handle, &memory, &cause), &cause)
	return DataSetMemory{uint64(memory.sample_bytes), uint64(memory.cache_bytes)}, err
}

// pointer returns the handle of a data set that must be given, NULL for nil, which the library refuses.
func (d *DataSet) pointer() *C.arms_dataset {
	if d == nil {
		return nil
	}
	return d.handle
}

// dataSet returns the handle of a data set that may be left out, NULL for nil.
func (a *arguments) dataSet(what string, data *DataSet) *C.arms_dataset {
	if data != nil {
		a.made(what, data.handle != nil)
	}
	return data.pointer()
}

func (a *arguments) sample(slot *C.arms_sample, sample *Sample) {
	slot.struct_size = C.sizeof_arms_sample
	slot.text = a.text(sample.Question)
	slot.text_length = C.size_t(len(sample.Question))
	slot.images = a.images(sample.Images)
	if len(sample.Images) > math.MaxUint32 {
		a.fail("a sample has more images than 32 bits count")
	}
	slot.image_count = C.uint32_t(len(sample.Images))
	slot.outcomes = structs(a, sample.Outcomes, a.outcome)
	slot.outcome_count = C.size_t(len(sample.Outcomes))
}

func (a *arguments) outcome(slot *C.arms_outcome, outcome *Outcome) {
	slot.struct_size = C.sizeof_arms_outcome
	slot.candidate = a.name("a candidate's name", outcome.Candidate)
	if outcome.Correct {
		slot.label = 1
	}
	slot.weight = C.float(outcome.Weight)
	if outcome.Cost != nil {
		slot.flags |= C.ARMS_OUTCOME_HAS_COST
		slot.cost = C.double(*outcome.Cost)
	}
}
