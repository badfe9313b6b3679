package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
	"fmt"
	"math"
	"runtime"
)

// Candidate is a VLM that can be chosen. It is described by a profile, a sentence that the text
// encoder embeds: the library makes it from the structured fields that are not empty, or takes
// Profile, or is given the embedding itself.
type Candidate struct {
	Name          string // unique in its router; 1 to NameCapacity-1 bytes
	Parameters    string // "7B"
	Architecture  string // "ViT, MLP projector, decoder"
	LanguageModel string // "Qwen2-7B"
	VisionModel   string // "ViT 675M"

	Profile   string    // the whole sentence, in place of the four fields above
	Embedding []float32 // [TextWidth], in place of embedding the profile

	Cost    *float64 // US dollars a query; nil: not known. See Known.
	Latency *float64 // milliseconds; nil: not known. See Known.

	Temperature float32 // T_j of the calibration, positive; 0: 1
	Bias        float32 // b_j of the calibration
	MaxImages   int     // images it takes at most; 0: any number, -1: none. In Python 0 is none, and None any number
	Router      int     // 0: in the first router's pool, 1: in the second's
	Disabled    bool    // kept, but never chosen or ranked, and scored only by name

	Keep CandidateFields // what [Router.Update] leaves as it is; elsewhere 0
}

// CandidateFields are fields of a candidate, joined by |.
type CandidateFields uint32

// What [Router.Update] can leave as it is.
const (
	KeepDisabled    CandidateFields = C.ARMS_CANDIDATE_KEEP_ENABLED
	KeepCost        CandidateFields = C.ARMS_CANDIDATE_KEEP_COST
	KeepLatency     CandidateFields = C.ARMS_CANDIDATE_KEEP_LATENCY
	KeepTemperature CandidateFields = C.ARMS_CANDIDATE_KEEP_TEMPERATURE
	KeepBias        CandidateFields = C.ARMS_CANDIDATE_KEEP_BIAS
	KeepMaxImages   CandidateFields = C.ARMS_CANDIDATE_KEEP_MAX_IMAGES
	KeepAll                         = KeepDisabled | KeepCost | KeepLatency | KeepTemperature | KeepBias | KeepMaxImages
)

// Known returns a cost or latency that is known, for the fields of a [Candidate].
func Known(value float64) *float64 { return &value }

// CandidateInfo is a candidate as [Router.List] gives it.
type CandidateInfo struct {
	Name        string
	Cost        *float64 // US dollars a query; nil: not known
	Latency     *float64 // milliseconds; nil: not known
	Temperature float32  // T_j
	Bias        float32  // b_j
	Beta        float32  // the learned offset beta_j of the scaled head
	MaxImages   int      // images it takes at most; 0: any number, -1: none
	Router      int      // 0: in the first router's pool, 1: in the second's
	Disabled    bool
	Chosen      uint64 // routes that chose it, since it was added or the router opened
}

// Candidate returns what [Router.Update] replaces of a candidate, as it is: change what is to be another,
// and give it to Update, which would otherwise take a field that is left out for its zero. The profile is not
// in it, so that [Router.Add] would make a candidate of the name alone.
func (i CandidateInfo) Candidate() Candidate {
	return Candidate{
		Name:        i.Name,
		Cost:        i.Cost,
		Latency:     i.Latency,
		Temperature: i.Temperature,
		Bias:        i.Bias,
		MaxImages:   i.MaxImages,
		Router:      i.Router,
		Disabled:    i.Disabled,
	}
}

// Add adds candidates, all or none, as one new generation. Calls in flight finish on the old one.
//
// Errors: [ErrAlreadyExists], [ErrNotFinite], [ErrInvalidText], [ErrInvalidArgument],
// [ErrInvalidHandle], and those of ctx.
func (r *Router) Add(ctx context.Context, candidates ...Candidate) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	for i := range candidates {
		if candidates[i].Keep != 0 {
			a.fail(fmt.Sprintf("candidate %q: its Keep is for Update; leave it out", candidates[i].Name))
		}
	}
	array := structs(&a, candidates, a.candidate)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(C.arms_candidates_add(r.handle, array, C.size_t(len(candidates)), &cause), &cause)
}

// Update replaces Disabled, Cost, Latency, Temperature, Bias and MaxImages of the named candidates,
// all or none, but for what their Keep names. Profile fields and embedding must be empty: a
// candidate with another profile is another one.
//
// To change a field, keep the others, which may have been calibrated, or replaced with the weights,
// since they were listed:
//
//	err := router.Update(arms.Candidate{Name: "large", Cost: arms.Known(0.01), Keep: arms.KeepAll &^ arms.KeepCost})
//
// Errors: [ErrNotFound], [ErrNotFinite], [ErrInvalidArgument], [ErrInvalidHandle].
func (r *Router) Update(candidates ...Candidate) error {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	array := structs(&a, candidates, a.candidate)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(C.arms_candidates_update(r.handle, array, C.size_t(len(candidates)), &cause), &cause)
}

// Remove removes the named candidates, all or none.
//
// Errors: [ErrNotFound], [ErrInvalidArgument], [ErrInvalidHandle].
func (r *Router) Remove(names ...string) error {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	array := a.names(names)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(C.arms_candidates_remove(r.handle, array, C.size_t(len(names)), &cause), &cause)
}

// Enable lets the named candidates be chosen again, all or none.
//
// Errors: [ErrNotFound], [ErrInvalidArgument], [ErrInvalidHandle].
func (r *Router) Enable(names ...string) error { return r.enable(names, 1) }

// Disable keeps the named candidates from being chosen, ranked, and scored unless they are asked for by name, all or
// none.
//
// Errors: [ErrNotFound], [ErrInvalidArgument], [ErrInvalidHandle].
func (r *Router) Disable(names ...string) error { return r.enable(names, 0) }

func (r *Router) enable(names []string, enabled C.int32_t) error {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	array := a.names(names)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	status := C.arms_candidates_enable(r.handle, array, C.size_t(len(names)), enabled, &cause)
	return check(status, &cause)
}

// List returns the candidates in the order in which they were added, the first router's before the
// second's, disabled ones included.
//
// Errors: [ErrInvalidHandle].
func (r *Router) List() ([]CandidateInfo, error) {
	defer runtime.KeepAlive(r)
	infos, err := filled(func(
		buffer *C.arms_candidate_info, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		if buffer != nil {
			buffer.struct_size = C.sizeof_arms_candidate_info
		}
		return C.arms_candidates_list(r.handle, buffer, capacity, count, nil, cause)
	})
	if err != nil {
		return nil, err
	}
	list := make([]CandidateInfo, len(infos))
	for i := range infos {
		list[i] = candidateInfo(&infos[i])
	}
	return list, nil
}

// Profile returns a candidate's profile sentence. A candidate that was added by its embedding has an
// empty one unless one was given.
//
// Errors: [ErrNotFound], [ErrInvalidArgument], [ErrInvalidHandle].
func (r *Router) Profile(name string) (string, error) {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	given := a.name("the candidate's name", name)
	if a.err != nil {
		return "", a.err
	}
	bytes, err := filled(func(
		buffer *C.char, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		return C.arms_candidate_profile(r.handle, given, buffer, capacity, count, cause)
	})
	if err != nil || len(bytes) == 0 {
		return "", err
	}
	return C.GoString(&bytes[0]), nil
}

// Embedding returns a candidate's profile embedding m_j, [TextWidth].
//
// Errors: [ErrNotFound], [ErrInvalidArgument], [ErrInvalidHandle].
func (r *Router) Embedding(name string) ([]float32, error) {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	given := a.name("the candidate's name", name)
	if a.err != nil {
		return nil, a.err
	}
	return filled(func(
		buffer *float32, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		return C.arms_candidate_embedding(
			r.handle, given, (*C.float)(buffer), capacity, count, cause)
	})
}

func (a *arguments) candidate(slot *C.arms_candidate, candidate *Candidate) {
	slot.struct_size = C.sizeof_arms_candidate
	slot.name = a.name("a candidate's name", candidate.Name)
	slot.parameters = a.optional("a candidate's Parameters", candidate.Parameters)
	slot.architecture = a.optional("a candidate's Architecture", candidate.Architecture)
	slot.language_model = a.optional("a candidate's LanguageModel", candidate.LanguageModel)
	slot.vision_model = a.optional("a candidate's VisionModel", candidate.VisionModel)
	slot.profile = a.optional("a candidate's Profile", candidate.Profile)
	slot.embedding = (*C.float)(numbers(a, candidate.Embedding))
	slot.embedding_count = C.uint64_t(len(candidate.Embedding))
	if candidate.Disabled {
		slot.flags |= C.ARMS_CANDIDATE_DISABLED
	}
	if candidate.Cost != nil {
		slot.flags |= C.ARMS_CANDIDATE_HAS_COST
		slot.cost = C.double(*candidate.Cost)
	}
	if candidate.Latency != nil {
		slot.flags |= C.ARMS_CANDIDATE_HAS_LATENCY
		slot.latency = C.double(*candidate.Latency)
	}
	if unknown := candidate.Keep &^ KeepAll; unknown != 0 {
		a.fail(fmt.Sprintf(
			"candidate %q: its Keep has %d, which is no field; join Keep constants", candidate.Name, unknown))
	}
	slot.flags |= C.uint32_t(candidate.Keep)
	slot.temperature = C.float(candidate.Temperature)
	slot.bias = C.float(candidate.Bias)
	if candidate.MaxImages < -1 || candidate.MaxImages > math.MaxInt32 {
		a.fail("a candidate's MaxImages is not -1, 0 or a number of images")
	}
	slot.max_images = C.int32_t(candidate.MaxImages)
	slot.router = a.uint32("a candidate's Router", candidate.Router)
}

func candidateInfo(info *C.arms_candidate_info) CandidateInfo {
	result := CandidateInfo{
		Name:        C.GoString(&info.name[0]),
		Temperature: float32(info.temperature),
		Bias:        float32(info.bias),
		Beta:        float32(info.beta),
		MaxImages:   int(info.max_images),
		Router:      int(info.router),
		Disabled:    info.flags&C.ARMS_CANDIDATE_DISABLED != 0,
		Chosen:      uint64(info.chosen),
	}
	if info.flags&C.ARMS_CANDIDATE_HAS_COST != 0 {
		result.Cost = Known(float64(info.cost))
	}
	if info.flags&C.ARMS_CANDIDATE_HAS_LATENCY != 0 {
		result.Latency = Known(float64(info.latency))
	}
	return result
}
