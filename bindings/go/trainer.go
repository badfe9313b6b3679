package arms

/*
#include <stdlib.h>
#include <arms.h>

// Defined in progress.go. Go has no const.
int32_t armsGoProgress(arms_progress *progress, void *user_data);

static arms_status arms_go_run(arms_trainer *trainer, const arms_dataset *dataset,
                               const arms_run_options *options, void *user_data,
                               arms_error **error) {
  return arms_trainer_run(trainer, dataset, options, (arms_progress_callback)armsGoProgress, user_data,
                          error);
}
*/
import "C"

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// AllLayers, as a number of layers, is all of an encoder's, its embeddings included.
const AllLayers = math.MaxInt32

// Schedule says how the learning rate goes on after the warm-up.
type Schedule int

// The schedules of a trainer.
const (
	// ScheduleConstant stays at the peak, to the end.
	ScheduleConstant Schedule = C.ARMS_SCHEDULE_CONSTANT
	// ScheduleCosine goes along half a cosine, down to 0.
	ScheduleCosine Schedule = C.ARMS_SCHEDULE_COSINE
)

// WeightType is the type in which [Trainer.Save] writes the trained matrices.
type WeightType int

// The types of a model file's weights.
const (
	// WeightUnchanged leaves each matrix as it is in the router's file.
	WeightUnchanged WeightType = C.ARMS_WEIGHT_UNCHANGED
	WeightF32       WeightType = C.ARMS_WEIGHT_F32
	WeightF16       WeightType = C.ARMS_WEIGHT_F16
	WeightBF16      WeightType = C.ARMS_WEIGHT_BF16
	WeightInt8      WeightType = C.ARMS_WEIGHT_INT8
)

// LoRATargets says which linear layers of a transformer block have an adapter.
type LoRATargets uint32

// The layers of a block.
const (
	LoRAQuery LoRATargets = C.ARMS_LORA_QUERY
	LoRAKey   LoRATargets = C.ARMS_LORA_KEY
	LoRAValue LoRATargets = C.ARMS_LORA_VALUE
	// LoRAOutput is what the attention's heads are joined by.
	LoRAOutput LoRATargets = C.ARMS_LORA_OUTPUT
	// LoRAUp and LoRADown are the layers of the feed-forward network.
	LoRAUp   LoRATargets = C.ARMS_LORA_UP
	LoRADown LoRATargets = C.ARMS_LORA_DOWN
)

// TrainerOptions says how a router is trained. Zero means the default, which is the paper's.
type TrainerOptions struct {
	Router           int         // 0: the first router of the file, 1: the second of a cascade
	TextLayers       int         // last blocks of the text encoder that are trained, or AllLayers
	ImageLayers      int         // the same of the image encoder
	LoRARank         int         // of low-rank adapters that are trained in place of these layers; 0: none
	LoRAAlpha        float64     // scales what adapters add by LoRAAlpha / LoRARank; 0: LoRARank
	LoRATargets      LoRATargets // the linear layers of a block that have one; 0: all six
	Epochs           int         // passes over the training queries; 0: 2
	BatchSize        int         // queries of a step; 0: 64
	MicroBatchSize   int         // queries that run through the layers together; 0: 256 or 16
	LearningRate     float64     // its peak; 0: 8e-5
	WarmupSteps      int         // steps over which it rises from 0
	Schedule         Schedule    // how it goes on then
	WeightDecay      float64     // decoupled, of the matrices; 0: 0.01, below 0: none
	Clip             float64     // the largest norm of all gradients together; 0: no limit
	BalanceClasses   bool        // let both labels count as much, whatever their numbers
	BaseRates        bool        // let offsets that are 0 begin at the log-odds of the candidate's outcomes
	BFloat16         bool        // let linear layers multiply operands rounded to bfloat16; for KernelISA "amx" or "avx512bf16"
	RoutingWeight    float64     // gamma of -gamma sum_j softmax(tau t)_j y_j, the reward of choosing well; 0: none
	RoutingSharpness float64     // its tau; 0: 2
	TeacherWeight    float64     // how much of a label, 0 to 1, is what similar questions say, of 20,000 at most; 0: nothing
	TeacherRidge     float64     // how much that smooths; 0: 10
	Seed             uint64      // decides the order of the queries, and where adapters begin
	Threads          int         // 0: as many as the router's
	CacheBytes       uint64      // the most that is kept of what frozen layers made; 0: 4 GiB
}

// Trainer trains a router in this process, on copies of its weights: the router goes on with its own
// until Commit. The head and what is learned of each candidate are always trained, the encoders as far
// as the options say. What is frozen is encoded once for each query of a data set. The same weights,
// data, options and number of threads give the same bits.
//
// A trainer answers one call at a time, others with [ErrBusy]. Routing goes on beside it.
type Trainer struct {
	handle *C.arms_trainer
	closed atomic.Bool
	// Whoever uses the buffers or the validations holds the trainer, and it itself does until Close.
	lock    sync.Mutex
	holders int
	// Held by who changes what the validations of the last run are: Run, until it has read its own, and Resume.
	validations sync.Mutex
}

// NewTrainer returns a trainer for the router's present weights and candidates.
//
// Errors: [ErrNoCandidates], [ErrUnsupported] (there is no OpenBLAS, or the encoder that would be
// trained is shared with the other router of a cascade), [ErrInvalidArgument], [ErrInvalidHandle].
func (r *Router) NewTrainer(options TrainerOptions) (*Trainer, error) {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	given := structs(&a, []TrainerOptions{options}, a.trainerOptions)
	if a.err != nil {
		return nil, a.err
	}
	trainer := &Trainer{holders: 1}
	var cause *C.arms_error
	status := C.arms_trainer_create(r.handle, given, &trainer.handle, &cause)
	if err := check(status, &cause); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(trainer, (*Trainer).Close)
	return trainer, nil
}

func (a *arguments) trainerOptions(slot *C.arms_trainer_options, options *TrainerOptions) {
	*slot = C.arms_trainer_options{
		struct_size:       C.sizeof_arms_trainer_options,
		router:            a.uint32("Router", options.Router),
		text_layers:       a.layers("TextLayers", options.TextLayers),
		image_layers:      a.layers("ImageLayers", options.ImageLayers),
		epochs:            a.uint32("Epochs", options.Epochs),
		batch_size:        a.uint32("BatchSize", options.BatchSize),
		micro_batch_size:  a.uint32("MicroBatchSize", options.MicroBatchSize),
		schedule:          a.uint32("Schedule", int(options.Schedule)),
		warmup_steps:      a.uint32("WarmupSteps", options.WarmupSteps),
		threads:           a.uint32("Threads", options.Threads),
		learning_rate:     C.double(options.LearningRate),
		weight_decay:      C.double(options.WeightDecay),
		clip:              C.double(options.Clip),
		seed:              C.uint64_t(options.Seed),
		cache_bytes:       C.uint64_t(options.CacheBytes),
		routing_weight:    C.double(options.RoutingWeight),
		routing_sharpness: C.double(options.RoutingSharpness),
		teacher_weight:    C.double(options.TeacherWeight),
		teacher_ridge:     C.double(options.TeacherRidge),
		lora_rank:         a.uint32("LoRARank", options.LoRARank),
		lora_targets:      C.uint32_t(options.LoRATargets),
		lora_alpha:        C.double(options.LoRAAlpha),
	}
	if options.BalanceClasses {
		slot.flags |= C.ARMS_TRAINER_BALANCE_CLASSES
	}
	if options.BaseRates {
		slot.flags |= C.ARMS_TRAINER_BASE_RATES
	}
	if options.BFloat16 {
		slot.flags |= C.ARMS_TRAINER_BFLOAT16
	}
}

// layers converts a number of layers.
func (a *arguments) layers(what string, count int) C.uint32_t {
	if count == AllLayers {
		return C.ARMS_ALL_LAYERS
	}
	return a.uint32(what, count)
}

// Close frees the trainer. It waits for nobody: a call in flight in another goroutine finishes
// undisturbed, and while [Trainer.Run] is under way, or [Trainer.Parameters] or [Trainer.Gradients] lend a
// buffer, the last of them frees the trainer when it returns; until then calls are answered as before. The
// result is always nil, also of a second Close.
func (t *Trainer) Close() error {
	if !t.closed.Swap(true) {
		runtime.SetFinalizer(t, nil)
		t.leave()
	}
	return nil
}

// hold keeps the trainer from being freed until leave is called. It is false if it is freed.
func (t *Trainer) hold() bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.holders == 0 {
		return false
	}
	t.holders++
	return true
}

// leave ends a hold; the last one to leave frees the trainer.
func (t *Trainer) leave() {
	t.lock.Lock()
	defer t.lock.Unlock()
	// Freed under the lock: where hold is false, the library knows the handle no more.
	if t.holders--; t.holders == 0 {
		C.arms_trainer_free(t.handle)
	}
}

// Metrics says how well a router does on a data set.
type Metrics struct {
	Loss         float64 // the mean binary cross-entropy, weighted by the outcomes' weights alone
	Accuracy     float64 // share of the outcomes that the sign of the logit predicts
	ExactMatch   float64 // EM: share of the queries whose best candidate with a known outcome was right
	QueryCount   int     // queries measured
	OutcomeCount int     // outcomes measured
}

// Progress says how far a run is, after a step.
type Progress struct {
	Epoch        int      // from 0
	Step         int      // steps made
	StepCount    int      // steps of the whole run
	Loss         float64  // of the last batch
	LearningRate float64  // of the last step
	Validation   *Metrics // at the end of an epoch, if there is validation data
}

// RunOptions is what a run may have beside its data.
type RunOptions struct {
	Validation         *DataSet // measured after every epoch; nil or empty: nothing is
	Checkpoint         string   // a file that every checkpoint replaces; "": none is written
	CheckpointInterval int      // steps from one checkpoint to the next; 0: 100

	// Called after every step, in the goroutine of the run. It returns to the library: a panic in it cancels the
	// run, which then panics with a [PanicError], and it must not call [runtime.Goexit], as FailNow of a test does.
	Progress func(Progress)
}

// Run trains on a data set, as it is when the call begins, for the epochs of the trainer's options, and
// returns what each validation gave, those before the checkpoint of a resumed run included. It ends after
// the present step when ctx is done, with one more checkpoint if there is a file for it.
//
// A further run goes on with weights and moments, and begins the course of the learning rate anew; the
// first one after Resume goes on where the checkpoint was written, to the same bits as a run that was
// not interrupted. On an error the trainer keeps what it learned before; the router is untouched in any
// case.
//
// Errors: those of ctx, [ErrBusy], [ErrNotFinite] (the loss is no number any more), [ErrNotFound] (an
// outcome of a candidate that is not trained), [ErrLimitExceeded], [ErrInvalidImage], [ErrIO],
// [ErrInvalidArgument] (no samples, or others than the checkpoint's), [ErrInvalidHandle].
func (t *Trainer) Run(ctx context.Context, data *DataSet, options RunOptions) ([]Metrics, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !t.validations.TryLock() {
		return nil, errBusy()
	}
	defer t.validations.Unlock()
	if t.hold() {
		defer t.leave()
	}
	defer runtime.KeepAlive(t)
	defer runtime.KeepAlive(data)
	defer runtime.KeepAlive(options.Validation)
	var a arguments
	defer a.release()
	given := (*C.arms_run_options)(a.zeroed(1, C.sizeof_arms_run_options))
	given.struct_size = C.sizeof_arms_run_options
	given.checkpoint_interval = a.uint32("CheckpointInterval", options.CheckpointInterval)
	given.checkpoint_path = a.optional("the checkpoint's path", options.Checkpoint)
	given.validation = a.dataSet("Validation", options.Validation)
	if a.err != nil {
		return nil, a.err
	}
	run := run{ctx: ctx, report: options.Progress}
	if err := run.steps(&a, func(userData unsafe.Pointer, cause **C.arms_error) C.arms_status {
		return C.arms_go_run(t.handle, data.pointer(), given, userData, cause)
	}); err != nil {
		return nil, err
	}
	return t.Metrics()
}

// errBusy returns what the library says to a call while another is under way.
func errBusy() error {
	return &Error{StatusBusy,
		"another call on this trainer is under way; wait until it returns, or make a second trainer"}
}

// Metrics returns what the validations of the last run gave so far, one an epoch, also while it runs.
//
// Errors: [ErrInvalidHandle].
func (t *Trainer) Metrics() ([]Metrics, error) {
	defer runtime.KeepAlive(t)
	given, err := filled(func(
		buffer *C.arms_metrics, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		if buffer != nil {
			buffer.struct_size = C.sizeof_arms_metrics
		}
		return C.arms_trainer_metrics(t.handle, buffer, capacity, count, cause)
	})
	if err != nil {
		return nil, err
	}
	metrics := make([]Metrics, len(given))
	for i := range given {
		metrics[i] = newMetrics(&given[i])
	}
	return metrics, nil
}

// Evaluate measures the trainer's present weights on a data set. ctx is looked at before it begins only.
//
// Errors: as [Trainer.Run].
func (t *Trainer) Evaluate(ctx context.Context, data *DataSet) (Metrics, error) {
	if err := ctx.Err(); err != nil {
		return Metrics{}, err
	}
	defer runtime.KeepAlive(t)
	defer runtime.KeepAlive(data)
	metrics := C.arms_metrics{struct_size: C.sizeof_arms_metrics}
	var cause *C.arms_error
	err := check(C.arms_trainer_evaluate(t.handle, data.pointer(), &metrics, &cause), &cause)
	return newMetrics(&metrics), err
}

// Commit replaces the router's weights by the trainer's in one step, as one new generation, which is
// returned. Calls in flight finish on the old ones. The router's present candidates stay, with their settings
// and calibration; one that was added since the trainer was made is embedded anew. What is learned of the
// others is what the trainer learned: a [Router.Fit] that was made since the trainer was is forgotten, fit
// again. In a file of two routers the other's candidates stay as they are. Training can go on, and be
// committed again.
//
// Errors: [ErrBusy], [ErrConflict] (the router's weights were replaced since), [ErrNotFinite],
// [ErrInvalidArgument] (a candidate cannot be kept), [ErrInvalidHandle]. The router is then as it was.
func (t *Trainer) Commit() (generation uint64, err error) {
	defer runtime.KeepAlive(t)
	var committed C.uint64_t
	var cause *C.arms_error
	err = check(C.arms_trainer_commit(t.handle, &committed, &cause), &cause)
	return uint64(committed), err
}

// Save writes the router with the trainer's weights, and the candidates that the trainer was made with,
// as a model file; the router itself is not changed. The file at path is replaced in one step, or left
// as it is.
//
// Errors: [ErrBusy], [ErrNotFinite], [ErrUnsupported], [ErrIO], [ErrInvalidArgument] (adapters of only some
// of query, key and value cannot go from int8 to float or back), [ErrInvalidHandle].
func (t *Trainer) Save(path string, weights WeightType) error {
	var a arguments
	kind := a.uint32("the type of the weights", int(weights))
	if a.err != nil {
		return a.err
	}
	return t.file("the path of the model file", path,
		func(name *C.char, cause **C.arms_error) C.arms_status {
			return C.arms_trainer_save(t.handle, name, kind, cause)
		})
}

// SaveAdapter writes what training with adapters changed as a small file: the adapters, and the head and
// the candidates as they would stand in the router's file. [Router.ApplyAdapter] adds it to the weights
// that the trainer was made with. The file at path is replaced in one step, or left as it is.
//
// Errors: [ErrBusy], [ErrNotFinite], [ErrUnsupported], [ErrIO], [ErrInvalidArgument] (the trainer has no
// adapters), [ErrInvalidHandle].
func (t *Trainer) SaveAdapter(path string) error {
	return t.file("the path of the adapter", path,
		func(name *C.char, cause **C.arms_error) C.arms_status {
			return C.arms_trainer_save_adapter(t.handle, name, cause)
		})
}

// Checkpoint writes all that is needed to go on with a run: weights, moments and place. Other data than the
// run's is refused by the run that goes on, if this one had a file for its checkpoints. The file at path is
// replaced in one step, or left as it is.
//
// Errors: [ErrBusy], [ErrIO], [ErrInvalidArgument], [ErrInvalidHandle].
func (t *Trainer) Checkpoint(path string) error {
	return t.file("the path of the checkpoint", path,
		func(name *C.char, cause **C.arms_error) C.arms_status {
			return C.arms_trainer_checkpoint(t.handle, name, cause)
		})
}

// Resume reads a checkpoint of a trainer with the same options, made for the same router. On an error
// the trainer is as it was.
//
// Errors: [ErrBusy], [ErrIO], [ErrInvalidModel], [ErrUnsupported], [ErrInvalidArgument],
// [ErrInvalidHandle].
func (t *Trainer) Resume(path string) error {
	if !t.validations.TryLock() {
		return errBusy()
	}
	defer t.validations.Unlock()
	return t.file("the path of the checkpoint", path,
		func(name *C.char, cause **C.arms_error) C.arms_status {
			return C.arms_trainer_resume(t.handle, name, cause)
		})
}

// file makes a call that takes a path.
func (t *Trainer) file(
	what, path string, call func(name *C.char, cause **C.arms_error) C.arms_status,
) error {
	defer runtime.KeepAlive(t)
	var a arguments
	defer a.release()
	name := a.name(what, path)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(call(name, &cause), &cause)
}

func newMetrics(metrics *C.arms_metrics) Metrics {
	return Metrics{
		Loss:         float64(metrics.loss),
		Accuracy:     float64(metrics.accuracy),
		ExactMatch:   float64(metrics.exact_match),
		QueryCount:   int(metrics.query_count),
		OutcomeCount: int(metrics.outcome_count),
	}
}
