package arms

/*
#include <stdlib.h>
#include <arms.h>

// Defined in progress.go. Go has no const.
int32_t armsGoProgress(arms_progress *progress, void *user_data);

static arms_status arms_go_extend(arms_router *router, const char *const *names, size_t count,
                                  const arms_dataset *dataset, const arms_extension_options *options,
                                  void *user_data, arms_extension_report *report, arms_error **error) {
  return arms_router_extend(router, names, count, dataset, options,
                            (arms_progress_callback)armsGoProgress, user_data, report, error);
}
*/
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// CalibrateOptions says how candidates are calibrated. Zero means the default.
type CalibrateOptions struct {
	// As how many outcomes the calibration of all candidates of a router together counts, towards which
	// each one's is drawn; 0: 256.
	Strength float64
}

// Calibrate fits the calibration of all candidates, T_j and b_j, to outcomes that no training has seen, of
// some candidates or all; one without outcomes takes the common calibration. It goes live as one new
// generation, which is returned. ctx is looked at before it begins only.
//
// Errors: those of ctx, [ErrNotFound] (an outcome of an unknown candidate), [ErrConflict] (the router's
// weights or a candidate were replaced meanwhile, or a candidate was fitted), those of [Router.EncodeImage],
// [ErrInvalidArgument] (no samples, or a Strength below 0), [ErrInvalidHandle]. The router is then as it was.
func (r *Router) Calibrate(
	ctx context.Context, data *DataSet, options CalibrateOptions,
) (generation uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	defer runtime.KeepAlive(r)
	defer runtime.KeepAlive(data)
	var live C.uint64_t
	var cause *C.arms_error
	err = check(C.arms_router_calibrate(
		r.handle, data.pointer(), C.double(options.Strength), &live, &cause), &cause)
	return uint64(live), err
}

// FitOptions says how candidates are fitted. Zero means the default.
type FitOptions struct {
	// As how many outcomes the profile and the mean offset of the other candidates count; 0: 8.
	Strength float64
}

// Fit learns the named candidates' own weights, delta_j and beta_j, from few outcomes of each: 8 to some
// 1,000. Everything that they share with others stays, and what was learned of them before is forgotten.
// It goes live as one new generation, which is returned. ctx is looked at before it begins only.
//
// Errors: as [Router.Calibrate], [ErrNotFound] for a name, and [ErrInvalidArgument] for no name or a
// candidate without outcomes.
func (r *Router) Fit(
	ctx context.Context, names []string, data *DataSet, options FitOptions,
) (generation uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	defer runtime.KeepAlive(r)
	defer runtime.KeepAlive(data)
	var a arguments
	defer a.release()
	array := a.names(names)
	if a.err != nil {
		return 0, a.err
	}
	var live C.uint64_t
	var cause *C.arms_error
	err = check(C.arms_candidates_fit(r.handle, array, C.size_t(len(names)), data.pointer(),
		C.double(options.Strength), &live, &cause), &cause)
	return uint64(live), err
}

// ExtensionOptions says how a router is extended. Zero means the default.
type ExtensionOptions struct {
	Training TrainerOptions // how it is trained

	// Outcomes of old candidates to train on as well, so that less is forgotten; nil or empty: none.
	Replayed *DataSet
	// Share of replayed queries among those of the run, below 1; they are drawn by Training.Seed, and an
	// outcome that the run's own data has too counts once. 0: none, or a half when Replayed is given.
	ReplayShare float64
	// What an old candidate's former confidence counts, of an outcome, where none is known; 0: nothing.
	Distillation float64

	// Outcomes of old candidates that no training has seen, which tell what is forgotten; nil: nothing is
	// checked.
	HeldOut *DataSet
	// By how much exact match and accuracy of the old candidates may fall on HeldOut, as shares; 0: 0.01,
	// below 0: not at all.
	Tolerance float64

	Validation *DataSet // measured after every epoch; nil or empty: nothing is

	// Called after every step, in the goroutine of the call. It returns to the library: a panic in it cancels the
	// call, which then panics with a [PanicError], and it must not call [runtime.Goexit], as FailNow of a test does.
	Progress func(Progress)
}

// HeldOutMetrics says how well a router does with its old candidates on held-out queries; as [Metrics].
type HeldOutMetrics struct {
	Loss       float64
	Accuracy   float64
	ExactMatch float64
	QueryCount int // those with an outcome of an old candidate
}

// ExtensionReport says what became of an extension.
type ExtensionReport struct {
	Accepted    bool            // the new weights went live; otherwise the old ones stay
	Generation  uint64          // of the router
	Before      *HeldOutMetrics // with the old weights; nil without HeldOut
	After       *HeldOutMetrics // and with the new ones
	Validations []Metrics       // what the validation gave, one an epoch
}

// Extend goes on with the training of a router on outcomes of new candidates: incremental training (Eq. 7).
// They were added before, and are routed to by their profiles alone meanwhile. The new weights go live in
// one step if the old candidates do as well on the held-out data as the tolerance asks, and always without
// such data. Otherwise, and on an error, the router is as it was. It ends after the present step when ctx
// is done. Like [Trainer.Commit] it forgets a [Router.Fit] that is made while it runs.
//
// Errors: those of [Router.NewTrainer], [Trainer.Run] and [Trainer.Commit], [ErrNotFound] for a name that
// is no candidate of this router or, in the held-out data, of none, and [ErrInvalidArgument] for no name, a
// name without an outcome, or held-out data without an outcome of an old candidate.
func (r *Router) Extend(
	ctx context.Context, names []string, data *DataSet, options ExtensionOptions,
) (ExtensionReport, error) {
	if err := ctx.Err(); err != nil {
		return ExtensionReport{}, err
	}
	defer runtime.KeepAlive(r)
	defer runtime.KeepAlive(data)
	defer runtime.KeepAlive(&options)
	var a arguments
	defer a.release()
	array := a.names(names)
	given := structs(&a, []ExtensionOptions{options}, a.extensionOptions)
	if a.err != nil {
		return ExtensionReport{}, a.err
	}
	report := C.arms_extension_report{struct_size: C.sizeof_arms_extension_report}
	run := run{ctx: ctx, report: options.Progress}
	if err := run.steps(&a, func(userData unsafe.Pointer, cause **C.arms_error) C.arms_status {
		return C.arms_go_extend(r.handle, array, C.size_t(len(names)), data.pointer(), given,
			userData, &report, cause)
	}); err != nil {
		return ExtensionReport{}, err
	}
	return newExtensionReport(&report, run.validations, options.HeldOut != nil), nil
}

// JoinOptions is what a cascade of two routers may have beside them.
type JoinOptions struct {
	// The file's default of what [WithCascade] sets, above 0 and at most 1; 0: the first router's.
	Theta float32
}

// Join writes the router and a second one as one model file, a cascade (Algorithm 1): this router's
// candidates are asked first, the second's when none of them is good enough. Encoders that both share are
// written once, and both routers stay as they are. The file at path is replaced in one step, or left as it
// is.
//
// Errors: [ErrAlreadyExists] (a candidate of both), [ErrIO], [ErrInvalidArgument] (one of them is a cascade
// already, or Theta is out of range), [ErrInvalidHandle].
func (r *Router) Join(second *Router, path string, options JoinOptions) error {
	defer runtime.KeepAlive(r)
	defer runtime.KeepAlive(second)
	var a arguments
	defer a.release()
	name := a.name("the path of the model file", path)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(
		C.arms_router_join(r.handle, second.pointer(), name, C.float(options.Theta), &cause), &cause)
}

// extensionOptions fills a struct. The options must be kept alive during the call, for the data sets that
// they hold.
func (a *arguments) extensionOptions(slot *C.arms_extension_options, options *ExtensionOptions) {
	slot.struct_size = C.sizeof_arms_extension_options
	slot.training = structs(a, []TrainerOptions{options.Training}, a.trainerOptions)
	slot.replayed = a.dataSet("Replayed", options.Replayed)
	slot.held_out = a.dataSet("HeldOut", options.HeldOut)
	slot.validation = a.dataSet("Validation", options.Validation)
	slot.replay_share = C.double(options.ReplayShare)
	slot.distillation = C.double(options.Distillation)
	slot.tolerance = C.double(options.Tolerance)
}

func newExtensionReport(
	report *C.arms_extension_report, validations []Metrics, checked bool,
) ExtensionReport {
	result := ExtensionReport{
		Accepted:    report.accepted != 0,
		Generation:  uint64(report.generation),
		Validations: validations,
	}
	if checked {
		count := int(report.held_out_count)
		result.Before = &HeldOutMetrics{float64(report.loss_before), float64(report.accuracy_before),
			float64(report.exact_match_before), count}
		result.After = &HeldOutMetrics{float64(report.loss_after), float64(report.accuracy_after),
			float64(report.exact_match_after), count}
	}
	return result
}
