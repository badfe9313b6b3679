package arms_test

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"arms.dev/arms"
)

const trainingQueries = 6

// trainingData has questions with and without an image, each with outcomes of two candidates.
func trainingData(t testing.TB) *arms.DataSet {
	t.Helper()
	data := dataSet(t)
	for i := 0; i < trainingQueries; i++ {
		sample := arms.Sample{
			Question: "question " + strconv.Itoa(i),
			Outcomes: []arms.Outcome{
				{Candidate: "small", Correct: i%2 == 1}, {Candidate: "large", Correct: i%2 == 0},
			},
		}
		if i%3 == 0 {
			sample.Images = []arms.Image{arms.FromImage(picture())}
		}
		if err := data.Add(sample); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// brisk learns fast.
var brisk = arms.TrainerOptions{
	TextLayers: 1, Epochs: 8, BatchSize: 2, LearningRate: 3e-3, Threads: 1,
}

// trainable opens a router without the candidate whose embedding came from elsewhere.
func trainable(t testing.TB) *arms.Router {
	t.Helper()
	router := open(t, arms.WithThreads(1))
	if err := router.Remove("reader"); err != nil {
		t.Fatal(err)
	}
	return router
}

func trainer(t testing.TB, router *arms.Router, options arms.TrainerOptions) *arms.Trainer {
	t.Helper()
	made, err := router.NewTrainer(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return made
}

func scores(t testing.TB, router *arms.Router) []float32 {
	t.Helper()
	scored, err := router.Score(background, []arms.Query{{Question: "question 1"}})
	if err != nil {
		t.Fatal(err)
	}
	return scored.Values
}

func parameters(t testing.TB, trainer *arms.Trainer) (values []float32) {
	t.Helper()
	if err := trainer.Parameters(func(parameters []float32) error {
		values = append(values, parameters...)
		return nil
	}); err != nil || len(values) == 0 {
		t.Fatal(len(values), err)
	}
	return values
}

func TestARunLearnsAndACommitMakesItLive(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	trainer := trainer(t, router, brisk)
	before := scores(t, router)
	untrained, err := trainer.Evaluate(background, data)
	if err != nil || untrained.QueryCount != trainingQueries || untrained.OutcomeCount != 2*trainingQueries {
		t.Fatalf("%+v, %v", untrained, err)
	}
	var seen []arms.Progress
	var validations []arms.Metrics
	metrics, err := trainer.Run(background, data, arms.RunOptions{
		Validation: data,
		Progress: func(progress arms.Progress) {
			seen = append(seen, progress)
			if progress.Validation != nil {
				validations = append(validations, *progress.Validation)
			}
		},
	})
	if err != nil || len(metrics) != 8 || !reflect.DeepEqual(metrics, validations) {
		t.Fatalf("%+v, %+v, %v", metrics, validations, err)
	}
	for i, progress := range seen {
		if progress.Step != i+1 || progress.StepCount != 24 || progress.Epoch != i/3 ||
			progress.LearningRate != 3e-3 || progress.Loss <= 0 {
			t.Errorf("step %d: %+v", i+1, progress)
		}
	}
	if len(seen) != 24 || metrics[7].Loss >= untrained.Loss {
		t.Errorf("%d steps, loss %v, before %v", len(seen), metrics[7].Loss, untrained.Loss)
	}
	if !reflect.DeepEqual(scores(t, router), before) {
		t.Error("the router changed without a commit")
	}
	generation, err := trainer.Commit()
	info, _ := router.Info()
	if err != nil || generation != info.Generation || reflect.DeepEqual(scores(t, router), before) {
		t.Errorf("generation %d, %v", generation, err)
	}
	file := filepath.Join(t.TempDir(), "trained.gguf")
	if err := trainer.Save(file, arms.WeightUnchanged); err != nil {
		t.Fatal(err)
	}
	saved, err := arms.Open(file, arms.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	if !reflect.DeepEqual(scores(t, saved), scores(t, router)) {
		t.Error("the saved router decides otherwise")
	}
}

// culprit panics, and is to be found in the stack.
func culprit(arms.Progress) { panic(io.ErrUnexpectedEOF) }

// panics checks that a call whose Progress panics says with what and where.
func panics(t *testing.T, call func(progress func(arms.Progress)) error) {
	t.Helper()
	defer func() {
		t.Helper()
		err, _ := recover().(*arms.PanicError)
		if err == nil {
			t.Fatal("the panic is lost, or another")
		}
		wants(t, err, io.ErrUnexpectedEOF)
		if err.Value != io.ErrUnexpectedEOF || !strings.Contains(err.Error(), "unexpected EOF") ||
			!strings.Contains(err.Error(), "arms_test.culprit(") {
			t.Errorf("%v", err)
		}
	}()
	t.Errorf("the panic was lost: %v", call(culprit))
}

func TestAContextAndAPanicEndARun(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	trainer := trainer(t, router, brisk)
	cancelled, cancel := context.WithCancel(background)
	steps := 0
	_, err := trainer.Run(cancelled, data, arms.RunOptions{Progress: func(progress arms.Progress) {
		if steps++; progress.Step == 3 {
			cancel()
		}
	}})
	wants(t, err, context.Canceled)
	if steps != 3 {
		t.Errorf("%d steps", steps)
	}
	_, err = trainer.Run(cancelled, data, arms.RunOptions{})
	wants(t, err, context.Canceled)
	_, err = trainer.Evaluate(cancelled, data)
	wants(t, err, context.Canceled)
	_, err = trainer.ComputeGradients(cancelled, data, []int{0})
	wants(t, err, context.Canceled)

	panics(t, func(progress func(arms.Progress)) error {
		_, err := trainer.Run(background, data, arms.RunOptions{Progress: progress})
		return err
	})
	// What was learned stays, and the trainer goes on.
	if _, err := trainer.Run(background, data, arms.RunOptions{}); err != nil {
		t.Error(err)
	}
}

func TestABusyTrainerIsTold(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	trainer := trainer(t, router, brisk)
	first := true
	_, err := trainer.Run(background, data, arms.RunOptions{Progress: func(arms.Progress) {
		if !first {
			return
		}
		first = false
		var group sync.WaitGroup
		group.Add(1)
		go func() {
			defer group.Done()
			_, err := trainer.Evaluate(background, data)
			wants(t, err, arms.ErrBusy)
		}()
		group.Wait()
		_, err := trainer.Commit()
		wants(t, err, arms.ErrBusy)
		wants(t, trainer.Resume("absent"), arms.ErrBusy)
		wants(t, trainer.ApplyGradients(1), arms.ErrBusy)
		if metrics, err := trainer.Metrics(); err != nil || len(metrics) != 0 {
			t.Error(metrics, err)
		}
	}})
	if err != nil {
		t.Error(err)
	}
	// Freed amid a run, which ends as it would have.
	metrics, err := trainer.Run(background, data, arms.RunOptions{
		Validation: data,
		Progress: func(arms.Progress) {
			trainer.Close()
			runtime.GC()
		}})
	if err != nil || len(metrics) != 8 {
		t.Errorf("%v, %v", metrics, err)
	}
	_, err = trainer.Run(background, data, arms.RunOptions{})
	wants(t, err, arms.ErrInvalidHandle)
}

func TestAResumedRunHasTheSameBits(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	whole, part, rest := trainer(t, router, brisk), trainer(t, router, brisk), trainer(t, router, brisk)
	if _, err := whole.Run(background, data, arms.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "checkpoint")
	cancelled, cancel := context.WithCancel(background)
	_, err := part.Run(cancelled, data, arms.RunOptions{
		Checkpoint: file, CheckpointInterval: 4,
		Progress: func(progress arms.Progress) {
			if progress.Step == 7 {
				cancel()
			}
		}})
	wants(t, err, context.Canceled)
	if err := rest.Resume(file); err != nil {
		t.Fatal(err)
	}
	if _, err := rest.Run(background, data, arms.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(parameters(t, whole), parameters(t, rest)) {
		t.Error("the resumed run has other weights")
	}
	absent := filepath.Join(filepath.Dir(file), "absent", "file")
	// The checkpoint of a cancelled run cannot be written: that is told, not the cancelling.
	if err := os.Mkdir(filepath.Dir(absent), 0o777); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel = context.WithCancel(background)
	_, err = part.Run(cancelled, data, arms.RunOptions{
		Checkpoint: absent,
		Progress: func(progress arms.Progress) {
			if progress.Step == 2 {
				cancel()
				if err := os.RemoveAll(filepath.Dir(absent)); err != nil {
					t.Error(err)
				}
			}
		}})
	wants(t, err, arms.ErrIO)
	for _, path := range []string{absent, filepath.Join(absent, "more")} {
		wants(t, rest.Resume(path), arms.ErrIO)
		wants(t, rest.Checkpoint(path), arms.ErrIO)
		wants(t, rest.Save(path, arms.WeightF32), arms.ErrIO)
	}
	wants(t, rest.Resume("a\x00b"), arms.ErrInvalidArgument)
	for _, kind := range []arms.WeightType{9, -1, 1<<32 | arms.WeightF32} {
		wants(t, rest.Save(file, kind), arms.ErrInvalidArgument)
	}
	other := brisk
	other.Seed = 1
	wants(t, trainer(t, router, other).Resume(file), arms.ErrInvalidArgument)
}

// Whoever closes the trainer meanwhile: the validations are those of the whole run.
func TestAResumedRunReturnsEarlierValidationsToo(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	whole, part, rest := trainer(t, router, brisk), trainer(t, router, brisk), trainer(t, router, brisk)
	want, err := whole.Run(background, data, arms.RunOptions{Validation: data})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "checkpoint")
	cancelled, cancel := context.WithCancel(background)
	_, err = part.Run(cancelled, data, arms.RunOptions{
		Validation: data, Checkpoint: file,
		Progress: func(progress arms.Progress) {
			if progress.Step == 7 {
				cancel()
			}
		}})
	wants(t, err, context.Canceled)
	if err := rest.Resume(file); err != nil {
		t.Fatal(err)
	}
	got, err := rest.Run(background, data, arms.RunOptions{
		Validation: data, Progress: func(arms.Progress) { rest.Close() },
	})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	_, err = rest.Metrics()
	wants(t, err, arms.ErrInvalidHandle)
}

// Each run returns its own validations, also when another one begins as soon as it ends.
func TestGoroutinesShareATrainer(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	trainer := trainer(t, router, arms.TrainerOptions{Epochs: 1, BatchSize: 100, Threads: 1})
	var group sync.WaitGroup
	for want, options := range []arms.RunOptions{{}, {Validation: data}} {
		want, options := want, options
		group.Add(1)
		go func() {
			defer group.Done()
			for made := 0; made < 300; {
				metrics, err := trainer.Run(background, data, options)
				if errors.Is(err, arms.ErrBusy) {
					runtime.Gosched()
					continue
				}
				made++
				if err != nil || len(metrics) != want {
					t.Errorf("%d validations, want %d, %v", len(metrics), want, err)
					return
				}
			}
		}()
	}
	group.Wait()
}

func TestGradientsOfSharesAddUp(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	options := brisk
	options.BFloat16 = true
	trainer, rounding := trainer(t, router, brisk), trainer(t, router, options)
	gradientsOf := func(trainer *arms.Trainer, queries ...int) (values []float32, loss float64) {
		t.Helper()
		loss, err := trainer.ComputeGradients(background, data, queries)
		if err != nil {
			t.Fatal(err)
		}
		err = trainer.Gradients(func(gradients []float32) error {
			values = append(values, gradients...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return values, loss
	}
	left, leftLoss := gradientsOf(trainer, 0, 1)
	right, rightLoss := gradientsOf(trainer, 2, 3)
	whole, loss := gradientsOf(trainer, 0, 1, 2, 3)
	if math.Abs(loss-(leftLoss+rightLoss)/2) > 1e-6 {
		t.Errorf("loss %v of %v and %v", loss, leftLoss, rightLoss)
	}
	norm, difference := 0.0, 0.0
	for i, value := range whole {
		norm += float64(value * value)
		difference += math.Pow(float64((left[i]+right[i])/2-value), 2)
	}
	if norm == 0 || difference > 1e-10*norm {
		t.Errorf("difference %v of %v", difference, norm)
	}

	// Operands of 8 bits give nearly the same.
	rounded, _ := gradientsOf(rounding, 0, 1, 2, 3)
	difference = 0
	for i, value := range whole {
		difference += math.Pow(float64(rounded[i]-value), 2)
	}
	if share := math.Sqrt(difference / norm); share < 1e-4 || share > 0.05 {
		t.Errorf("with bfloat16 the gradients differ by %v of their norm", share)
	}

	layout, err := trainer.Layout()
	if err != nil {
		t.Fatal(err)
	}
	var gate arms.TensorRange
	for _, tensor := range layout {
		if tensor.Name == "gate.weight" {
			gate = tensor
		}
	}
	before := parameters(t, trainer)
	if err := trainer.Gradients(func(gradients []float32) error {
		for i := range gradients {
			gradients[i] = 0
		}
		for i := gate.Offset; i < gate.Offset+gate.Count; i++ {
			gradients[i] = 1
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := trainer.ApplyGradients(1e-3); err != nil {
		t.Fatal(err)
	}
	after := parameters(t, trainer)
	if gate.Count == 0 || after[gate.Offset] >= before[gate.Offset] {
		t.Errorf("%+v: %v, before %v", gate, after[gate.Offset], before[gate.Offset])
	}
	wants(t, trainer.ApplyGradients(math.NaN()), arms.ErrNotFinite)
	for _, queries := range [][]int{nil, {}, {-1}, {trainingQueries}} {
		_, err := trainer.ComputeGradients(background, data, queries)
		wants(t, err, arms.ErrInvalidArgument)
	}
	trainer.Close()
	wants(t, trainer.Gradients(func([]float32) error { return nil }), arms.ErrInvalidHandle)
	_, err = trainer.Layout()
	wants(t, err, arms.ErrInvalidHandle)
}

// An optimizer of one's own needs weights and gradients at once, and Close may come in between.
func TestBuffersAreLentWhoeverCloses(t *testing.T) {
	router, data := trainable(t), trainingData(t)
	for name, closes := range map[string]func(*arms.Trainer){
		"in the use": func(trainer *arms.Trainer) { trainer.Close() },
		"in another goroutine": func(trainer *arms.Trainer) {
			go trainer.Close()
			time.Sleep(50 * time.Millisecond)
		},
	} {
		trainer := trainer(t, router, brisk)
		if _, err := trainer.ComputeGradients(background, data, []int{0, 1}); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- descend(trainer, closes) }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("closed %s: %v", name, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("closed %s: Close and the use wait for each other", name)
		}
		// The last use has returned, and with it the trainer is freed.
		trainer.Close()
		for _, lend := range []func(func([]float32) error) error{trainer.Parameters, trainer.Gradients} {
			wants(t, lend(func([]float32) error {
				t.Errorf("closed %s: a freed buffer is lent", name)
				return nil
			}), arms.ErrInvalidHandle)
		}
		_, err := trainer.Layout()
		wants(t, err, arms.ErrInvalidHandle)
	}
}

// descend makes a step of gradient descent, amid which something happens.
func descend(trainer *arms.Trainer, happens func(*arms.Trainer)) error {
	return trainer.Parameters(func(parameters []float32) error {
		happens(trainer)
		runtime.GC()
		if err := trainer.Gradients(func(gradients []float32) error {
			for i := range parameters {
				parameters[i] -= 0.1 * gradients[i]
			}
			return nil
		}); err != nil {
			return err
		}
		parameters[0]++ // still there
		return nil
	})
}

// What use returns, or panics with, leaves nobody counted.
func TestAUseThatFailsLeavesTheTrainer(t *testing.T) {
	trainer := trainer(t, trainable(t), brisk)
	failure := errors.New("enough")
	wants(t, trainer.Parameters(func([]float32) error { return failure }), failure)
	func() {
		defer func() { _ = recover() }()
		_ = trainer.Gradients(func([]float32) error { panic(failure) })
	}()
	parameters(t, trainer)
	trainer.Close()
	_, err := trainer.Layout()
	wants(t, err, arms.ErrInvalidHandle)
}

func TestGoroutinesShareTheBuffersAmidClose(t *testing.T) {
	router := trainable(t)
	for round := 0; round < 20; round++ {
		trainer := trainer(t, router, brisk)
		var group sync.WaitGroup
		for worker := 0; worker < 4; worker++ {
			closes := worker == 3
			group.Add(1)
			go func() {
				defer group.Done()
				for i := 0; i < 20; i++ {
					if closes && i == 10 {
						trainer.Close()
					}
					sum := float32(0)
					if err := trainer.Parameters(func(parameters []float32) error {
						return trainer.Gradients(func(gradients []float32) error {
							sum += parameters[len(parameters)-1] + gradients[len(gradients)-1]
							return nil
						})
					}); err != nil {
						wants(t, err, arms.ErrInvalidHandle)
					}
				}
			}()
		}
		group.Wait()
		wants(t, trainer.Parameters(func([]float32) error { return nil }), arms.ErrInvalidHandle)
	}
}

func TestImpossibleTrainingIsRefused(t *testing.T) {
	router := trainable(t)
	for name, change := range map[string]func(*arms.TrainerOptions){
		"router":   func(o *arms.TrainerOptions) { o.Router = 1 },
		"layers":   func(o *arms.TrainerOptions) { o.TextLayers = -1 },
		"epochs":   func(o *arms.TrainerOptions) { o.Epochs = -1 },
		"rate":     func(o *arms.TrainerOptions) { o.LearningRate = math.NaN() },
		"schedule": func(o *arms.TrainerOptions) { o.Schedule = 7 },
		"33 bits":  func(o *arms.TrainerOptions) { o.Schedule = 1<<32 | arms.ScheduleCosine },
		"clip":     func(o *arms.TrainerOptions) { o.Clip = -1 },
		"threads":  func(o *arms.TrainerOptions) { o.Threads = 5000 },
	} {
		options := brisk
		change(&options)
		if _, err := router.NewTrainer(options); err == nil {
			t.Errorf("%s is accepted", name)
		} else {
			wants(t, err, arms.ErrInvalidArgument)
		}
	}
	trainer := trainer(t, router, arms.TrainerOptions{TextLayers: arms.AllLayers, ImageLayers: arms.AllLayers})
	_, err := trainer.Run(background, dataSet(t), arms.RunOptions{})
	wants(t, err, arms.ErrInvalidArgument)
	for _, none := range []*arms.DataSet{nil, {}} {
		_, err = trainer.Run(background, none, arms.RunOptions{})
		wants(t, err, arms.ErrInvalidHandle)
		_, err = trainer.Evaluate(background, none)
		wants(t, err, arms.ErrInvalidHandle)
		_, err = trainer.ComputeGradients(background, none, []int{0})
		wants(t, err, arms.ErrInvalidHandle)
	}
	_, err = trainer.Run(background, trainingData(t), arms.RunOptions{Validation: &arms.DataSet{}})
	wants(t, err, arms.ErrInvalidHandle)
	unknown := dataSet(t, arms.Sample{Outcomes: []arms.Outcome{{Candidate: "who"}}})
	_, err = trainer.Run(background, unknown, arms.RunOptions{})
	wants(t, err, arms.ErrNotFound)
	_, err = trainer.Run(background, unknown, arms.RunOptions{Checkpoint: "a\x00b"})
	wants(t, err, arms.ErrInvalidArgument)
	if err := router.Remove("small", "large"); err != nil {
		t.Fatal(err)
	}
	_, err = router.NewTrainer(brisk)
	wants(t, err, arms.ErrNoCandidates)
	router.Close()
	_, err = router.NewTrainer(brisk)
	wants(t, err, arms.ErrInvalidHandle)
}

func TestAnAdapterMakesItsBaseTheTrainedRouter(t *testing.T) {
	router, data, base := trainable(t), trainingData(t), trainable(t)
	options := brisk
	options.LoRARank, options.LoRAAlpha, options.LoRATargets = 2, 4, arms.LoRAValue|arms.LoRAUp
	made := trainer(t, router, options)
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	if _, err := made.Run(background, data, arms.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := made.SaveAdapter(path); err != nil {
		t.Fatal(err)
	}
	before := scores(t, base)
	if _, err := made.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := base.ApplyAdapter(path, arms.KeepCandidates()); err != nil {
		t.Fatal(err)
	}
	if got, want := scores(t, base), scores(t, router); !reflect.DeepEqual(got, want) ||
		reflect.DeepEqual(got, before) {
		t.Errorf("%v with the adapter, %v trained, %v before", got, want, before)
	}
	if err := base.ApplyAdapter(path); !errors.Is(err, arms.ErrInvalidArgument) {
		t.Errorf("applied twice: %v", err)
	}
	if _, err := arms.Open(path); !errors.Is(err, arms.ErrUnsupported) {
		t.Errorf("opened as a router: %v", err)
	}
	if err := trainer(t, router, brisk).SaveAdapter(path); !errors.Is(err, arms.ErrInvalidArgument) {
		t.Errorf("saved without adapters: %v", err)
	}
	options.LoRARank = 0
	if _, err := router.NewTrainer(options); !errors.Is(err, arms.ErrInvalidArgument) {
		t.Errorf("settings of adapters without a rank: %v", err)
	}
	options.LoRARank, options.LoRATargets = 2, 64
	if _, err := router.NewTrainer(options); !errors.Is(err, arms.ErrInvalidArgument) {
		t.Errorf("unknown layers: %v", err)
	}
}
