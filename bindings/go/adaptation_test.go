package arms_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"testing"

	"arms.dev/arms"
)

const asked = 24

// outcomes has what each of the named candidates answered: right says who answered which question.
func outcomes(t testing.TB, right func(query, place int) bool, names ...string) *arms.DataSet {
	t.Helper()
	samples := make([]arms.Sample, asked)
	for query := range samples {
		samples[query].Question = "question " + strconv.Itoa(query)
		for place, name := range names {
			samples[query].Outcomes = append(samples[query].Outcomes,
				arms.Outcome{Candidate: name, Correct: right(query, place)})
		}
	}
	return dataSet(t, samples...)
}

func inTurn(query, place int) bool { return (query+place)%2 == 1 }

func always(int, int) bool { return true }

// confidences are those of the named candidates for the questions of outcomes.
func confidences(t testing.TB, router *arms.Router, names ...string) arms.Scores {
	t.Helper()
	queries := make([]arms.Query, asked)
	for query := range queries {
		queries[query].Question = "question " + strconv.Itoa(query)
	}
	scores, err := router.Score(background, queries, arms.WithNames(names...))
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

// grown opens a router to which the candidate "new" was added.
func grown(t testing.TB) *arms.Router {
	t.Helper()
	router := trainable(t)
	if err := router.Add(background, arms.Candidate{Name: "new", Parameters: "7B"}); err != nil {
		t.Fatal(err)
	}
	return router
}

func generation(t testing.TB, router *arms.Router) uint64 {
	t.Helper()
	info, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.Generation
}

// loss is the mean binary cross-entropy of the first column.
func loss(scores arms.Scores, right func(query, place int) bool) (sum float64) {
	for query := 0; query < asked; query++ {
		confidence := float64(scores.Row(query)[0])
		if !right(query, 0) {
			confidence = 1 - confidence
		}
		sum -= math.Log(confidence) / asked
	}
	return sum
}

func TestCalibrationMakesConfidencesMeanWhatTheySay(t *testing.T) {
	router := trainable(t)
	before := generation(t, router)
	// Who is right in a quarter of the cases should be said to be.
	quarter := outcomes(t, func(query, _ int) bool { return query%4 == 0 }, "small")
	made, err := router.Calibrate(background, quarter, arms.CalibrateOptions{Strength: 1e-3})
	if err != nil || made != before+1 || made != generation(t, router) {
		t.Fatalf("generation %d after %d, %v", made, before, err)
	}
	mean := float64(0)
	for _, confidence := range confidences(t, router, "small").Values {
		mean += float64(confidence) / asked
	}
	if math.Abs(mean-0.25) > 0.02 {
		t.Errorf("the mean confidence is %v", mean)
	}
	list, err := router.List()
	if err != nil || list[0].Name != "small" || list[0].Temperature == 1 && list[0].Bias == 0 ||
		math.Abs(float64(list[1].Bias-list[0].Bias)) > 0.05 {
		t.Errorf("%+v, %v", list, err)
	}
	// The default draws harder than a thousandth of an outcome.
	calibrated := func(options arms.CalibrateOptions) (temperature, bias float32) {
		t.Helper()
		if _, err := router.Calibrate(background, quarter, options); err != nil {
			t.Error(err)
		}
		list, err := router.List()
		if err != nil {
			t.Fatal(err)
		}
		return list[0].Temperature, list[0].Bias
	}
	temperature, bias := calibrated(arms.CalibrateOptions{})
	if documented, its := calibrated(arms.CalibrateOptions{Strength: 256}); documented != temperature || its != bias {
		t.Errorf("the default gives %v and %v, 256 gives %v and %v", temperature, bias, documented, its)
	}
	if temperature == list[0].Temperature && bias == list[0].Bias {
		t.Error("the default draws no harder than a thousandth of an outcome")
	}
}

func TestAFitTeachesACandidateAndLeavesTheOthers(t *testing.T) {
	router, data := grown(t), outcomes(t, inTurn, "new")
	before := confidences(t, router, "new", "small", "large")
	made, err := router.Fit(background, []string{"new"}, data, arms.FitOptions{})
	if err != nil || made != generation(t, router) {
		t.Fatalf("generation %d, %v", made, err)
	}
	after := confidences(t, router, "new", "small", "large")
	if was, is := loss(before, inTurn), loss(after, inTurn); is >= was {
		t.Errorf("loss %v, before %v", is, was)
	}
	for query := 0; query < asked; query++ {
		if !reflect.DeepEqual(after.Row(query)[1:], before.Row(query)[1:]) {
			t.Errorf("query %d: %v, before %v", query, after.Row(query), before.Row(query))
		}
	}
	if _, err := router.Fit(background, []string{"new"}, data, arms.FitOptions{Strength: 1000}); err != nil {
		t.Fatal(err)
	}
	if drawn := confidences(t, router, "new"); loss(drawn, inTurn) <= loss(after, inTurn) {
		t.Error("a strength of 1,000 draws no harder than the default")
	}
}

func TestBadOutcomesLeaveTheRouter(t *testing.T) {
	router := trainable(t)
	before := generation(t, router)
	cancelled, cancel := context.WithCancel(background)
	cancel()
	small, stranger := outcomes(t, inTurn, "small"), outcomes(t, inTurn, "nobody")
	for name, learn := range map[string]func(context.Context, *arms.DataSet, float64) error{
		"calibrate": func(ctx context.Context, data *arms.DataSet, strength float64) error {
			_, err := router.Calibrate(ctx, data, arms.CalibrateOptions{Strength: strength})
			return err
		},
		"fit": func(ctx context.Context, data *arms.DataSet, strength float64) error {
			_, err := router.Fit(ctx, []string{"small"}, data, arms.FitOptions{Strength: strength})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, learn(cancelled, small, 0), context.Canceled)
			wants(t, learn(background, stranger, 0), arms.ErrNotFound)
			wants(t, learn(background, dataSet(t), 0), arms.ErrInvalidArgument)
			wants(t, learn(background, small, -1), arms.ErrInvalidArgument)
			wants(t, learn(background, small, math.NaN()), arms.ErrInvalidArgument)
			wants(t, learn(background, nil, 0), arms.ErrInvalidHandle)
			wants(t, learn(background, &arms.DataSet{}, 0), arms.ErrInvalidHandle)
			closed := dataSet(t)
			closed.Close()
			wants(t, learn(background, closed, 0), arms.ErrInvalidHandle)
		})
	}
	for _, bad := range []struct {
		names []string
		want  error
	}{
		{nil, arms.ErrInvalidArgument},
		{[]string{"nobody"}, arms.ErrNotFound},
		{[]string{"small", "large"}, arms.ErrInvalidArgument}, // which has no outcome
		{[]string{"a\x00b"}, arms.ErrInvalidArgument},
	} {
		_, err := router.Fit(background, bad.names, small, arms.FitOptions{})
		wants(t, err, bad.want)
	}
	if after := generation(t, router); after != before {
		t.Errorf("generation %d, before %d", after, before)
	}
	router.Close()
	_, err := router.Calibrate(background, small, arms.CalibrateOptions{})
	wants(t, err, arms.ErrInvalidHandle)
	_, err = router.Fit(background, []string{"small"}, small, arms.FitOptions{})
	wants(t, err, arms.ErrInvalidHandle)
}

func TestAnExtensionGoesLive(t *testing.T) {
	router := grown(t)
	before, scored := generation(t, router), confidences(t, router, "new")
	data, old := outcomes(t, always, "new"), outcomes(t, inTurn, "small", "large")
	var seen []arms.Progress
	var validations []arms.Metrics
	report, err := router.Extend(background, []string{"new"}, data, arms.ExtensionOptions{
		Training: arms.TrainerOptions{Epochs: 3, BatchSize: 8, LearningRate: 1e-3, Threads: 1},
		Replayed: old, ReplayShare: 0.25, Distillation: 0.5,
		HeldOut: old, Tolerance: 1, Validation: data,
		Progress: func(progress arms.Progress) {
			runtime.GC()
			seen = append(seen, progress)
			if progress.Validation != nil {
				validations = append(validations, *progress.Validation)
			}
		},
	})
	if err != nil || !report.Accepted || report.Generation != before+1 ||
		report.Generation != generation(t, router) {
		t.Fatalf("%+v after generation %d, %v", report, before, err)
	}
	if report.Before == nil || report.After == nil || report.Before.QueryCount != asked ||
		report.After.QueryCount != asked || report.Before.Loss == report.After.Loss ||
		report.Before.Loss <= 0 || report.Before.Accuracy <= 0 || report.Before.ExactMatch <= 0 {
		t.Errorf("held out: %+v, %+v", report.Before, report.After)
	}
	// Replayed queries are those of the new outcomes here: a query of both is one.
	if len(seen) != 9 || seen[8].Step != 9 || seen[8].StepCount != 9 || seen[8].Epoch != 2 ||
		seen[8].LearningRate != 1e-3 {
		t.Errorf("%d steps: %+v", len(seen), seen)
	}
	if len(report.Validations) != 3 || !reflect.DeepEqual(report.Validations, validations) ||
		validations[2].Loss >= validations[0].Loss {
		t.Errorf("%+v, %+v", report.Validations, validations)
	}
	if reflect.DeepEqual(confidences(t, router, "new").Values, scored.Values) {
		t.Error("the scores are those of before")
	}
}

func TestAnExtensionWithDefaultsIsNotChecked(t *testing.T) {
	router := grown(t)
	report, err := router.Extend(
		background, []string{"new"}, outcomes(t, inTurn, "new"), arms.ExtensionOptions{})
	if err != nil || !report.Accepted || report.Before != nil || report.After != nil ||
		report.Validations != nil || report.Generation != generation(t, router) {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAnExtensionThatDoesHarmIsRefused(t *testing.T) {
	router := grown(t)
	before, scores := generation(t, router), confidences(t, router, "small", "large")
	// Labels that the router holds for right already: it can only get worse.
	right := func(query, place int) bool { return scores.Row(query)[place] > 0.5 }
	report, err := router.Extend(background, []string{"new"},
		outcomes(t, func(query, place int) bool { return place == 2 || !right(query, place) },
			"small", "large", "new"),
		arms.ExtensionOptions{
			Training: arms.TrainerOptions{Epochs: 20, BatchSize: 8, LearningRate: 3e-3, Threads: 1},
			HeldOut:  outcomes(t, right, "small", "large"), Tolerance: -1,
		})
	if err != nil || report.Accepted || report.Generation != before || generation(t, router) != before {
		t.Fatalf("%+v after generation %d, %v", report, before, err)
	}
	if report.Before.Accuracy != 1 || report.After.Accuracy >= 1 {
		t.Errorf("held out: %+v, %+v", report.Before, report.After)
	}
	if !reflect.DeepEqual(confidences(t, router, "small", "large").Values, scores.Values) {
		t.Error("the scores are others")
	}
}

func TestAContextAndAPanicEndAnExtension(t *testing.T) {
	router, data := grown(t), outcomes(t, inTurn, "new")
	before := generation(t, router)
	cancelled, cancel := context.WithCancel(background)
	steps := 0
	extend := func(ctx context.Context, progress func(arms.Progress)) error {
		_, err := router.Extend(ctx, []string{"new"}, data, arms.ExtensionOptions{
			Training: arms.TrainerOptions{Epochs: 3, BatchSize: 8, Threads: 1}, Progress: progress})
		return err
	}
	wants(t, extend(cancelled, func(progress arms.Progress) {
		if steps++; progress.Step == 2 {
			cancel()
		}
	}), context.Canceled)
	wants(t, extend(cancelled, func(arms.Progress) { steps++ }), context.Canceled)
	if steps != 2 {
		t.Errorf("%d steps", steps)
	}
	panics(t, func(progress func(arms.Progress)) error { return extend(background, progress) })
	if after := generation(t, router); after != before {
		t.Errorf("generation %d, before %d", after, before)
	}
	// Freed amid an extension, which ends as it would have.
	if err := extend(background, func(arms.Progress) {
		router.Close()
		data.Close()
		runtime.GC()
	}); err != nil {
		t.Error(err)
	}
	wants(t, extend(background, nil), arms.ErrInvalidHandle)
}

func TestExtensionsThatMakeNoSenseAreRefused(t *testing.T) {
	router, data := grown(t), outcomes(t, inTurn, "new")
	before := generation(t, router)
	closed := dataSet(t)
	closed.Close()
	for name, bad := range map[string]struct {
		names   []string
		options arms.ExtensionOptions
		want    error
	}{
		"nobody":       {[]string{"nobody"}, arms.ExtensionOptions{}, arms.ErrNotFound},
		"no name":      {nil, arms.ExtensionOptions{}, arms.ErrInvalidArgument},
		"a NUL":        {[]string{"a\x00b"}, arms.ExtensionOptions{}, arms.ErrInvalidArgument},
		"no replay":    {[]string{"new"}, arms.ExtensionOptions{ReplayShare: 0.5}, arms.ErrInvalidArgument},
		"all replay":   {[]string{"new"}, arms.ExtensionOptions{Replayed: data, ReplayShare: 1}, arms.ErrInvalidArgument},
		"distillation": {[]string{"new"}, arms.ExtensionOptions{Distillation: -1}, arms.ErrInvalidArgument},
		"tolerance":    {[]string{"new"}, arms.ExtensionOptions{Tolerance: math.NaN()}, arms.ErrInvalidArgument},
		"held out":     {[]string{"new"}, arms.ExtensionOptions{HeldOut: data}, arms.ErrInvalidArgument},
		"training":     {[]string{"new"}, arms.ExtensionOptions{Training: arms.TrainerOptions{Epochs: -1}}, arms.ErrInvalidArgument},
		"rate":         {[]string{"new"}, arms.ExtensionOptions{Training: arms.TrainerOptions{LearningRate: -1}}, arms.ErrInvalidArgument},
		"replayed":     {[]string{"new"}, arms.ExtensionOptions{Replayed: closed}, arms.ErrInvalidHandle},
		"judges":       {[]string{"new"}, arms.ExtensionOptions{HeldOut: closed}, arms.ErrInvalidHandle},
		"validation":   {[]string{"new"}, arms.ExtensionOptions{Validation: closed}, arms.ErrInvalidHandle},
		// What is not there must not pass for what was left out, the check for harm above all.
		"zero replayed":   {[]string{"new"}, arms.ExtensionOptions{Replayed: &arms.DataSet{}}, arms.ErrInvalidHandle},
		"zero judges":     {[]string{"new"}, arms.ExtensionOptions{HeldOut: &arms.DataSet{}}, arms.ErrInvalidHandle},
		"zero validation": {[]string{"new"}, arms.ExtensionOptions{Validation: &arms.DataSet{}}, arms.ErrInvalidHandle},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := router.Extend(background, bad.names, data, bad.options)
			wants(t, err, bad.want)
		})
	}
	_, err := router.Extend(background, []string{"new"}, nil, arms.ExtensionOptions{})
	wants(t, err, arms.ErrInvalidHandle)
	if after := generation(t, router); after != before {
		t.Errorf("generation %d, before %d", after, before)
	}
}

// paid opens a router whose only candidate is the given one.
func paid(t testing.TB, name string) *arms.Router {
	t.Helper()
	router := trainable(t)
	if err := router.Remove("small", "large"); err != nil {
		t.Fatal(err)
	}
	if err := router.Add(background, arms.Candidate{Name: name, Parameters: "72B"}); err != nil {
		t.Fatal(err)
	}
	return router
}

func TestTwoRoutersBecomeACascade(t *testing.T) {
	router, second := trainable(t), paid(t, "paid")
	file := filepath.Join(t.TempDir(), "both.gguf")
	if err := router.Join(second, file, arms.JoinOptions{Theta: 0.999}); err != nil {
		t.Fatal(err)
	}
	both, err := arms.Open(file, arms.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	list, err := both.List()
	info, _ := both.Info()
	if err != nil || info.RouterCount != 2 || len(list) != 3 || list[1].Router != 0 ||
		list[2].Name != "paid" || list[2].Router != 1 {
		t.Fatalf("%+v, %+v, %v", info, list, err)
	}
	if got, want := confidences(t, both, "small", "large"), confidences(t, router, "small", "large"); !reflect.DeepEqual(got.Values, want.Values) {
		t.Errorf("the first router's: %v, want %v", got.Values, want.Values)
	}
	if got, want := confidences(t, both, "paid"), confidences(t, second, "paid"); !reflect.DeepEqual(got.Values, want.Values) {
		t.Errorf("the second router's: %v, want %v", got.Values, want.Values)
	}
	for theta, asks := range map[float32]bool{0: true, 0.01: false} {
		decision, err := both.Route(background, arms.Query{Question: question}, arms.WithCascade(theta))
		if err != nil || decision.SecondRouter != asks {
			t.Errorf("theta %v: %+v, %v", theta, decision, err)
		}
	}
	wants(t, both.Join(second, file, arms.JoinOptions{}), arms.ErrInvalidArgument)
}

func TestWhatCannotBeJoinedIsRefused(t *testing.T) {
	router, second := trainable(t), paid(t, "paid")
	directory := t.TempDir()
	file := filepath.Join(directory, "both.gguf")
	if err := os.WriteFile(file, []byte("what was there"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, router.Join(paid(t, "small"), file, arms.JoinOptions{}), arms.ErrAlreadyExists)
	for _, theta := range []float32{-0.5, 1.5, float32(math.NaN())} {
		wants(t, router.Join(second, file, arms.JoinOptions{Theta: theta}), arms.ErrInvalidArgument)
	}
	wants(t, router.Join(nil, file, arms.JoinOptions{}), arms.ErrInvalidHandle)
	wants(t, router.Join(&arms.Router{}, file, arms.JoinOptions{}), arms.ErrInvalidHandle)
	wants(t, router.Join(second, "a\x00b", arms.JoinOptions{}), arms.ErrInvalidArgument)
	wants(t, router.Join(second, filepath.Join(directory, "absent", "both.gguf"), arms.JoinOptions{}),
		arms.ErrIO)
	second.Close()
	wants(t, router.Join(second, file, arms.JoinOptions{}), arms.ErrInvalidHandle)
	if left, err := os.ReadFile(file); err != nil || string(left) != "what was there" {
		t.Errorf("%q, %v", left, err)
	}
}
