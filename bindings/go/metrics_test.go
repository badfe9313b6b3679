package arms_test

import (
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"arms.dev/arms"
)

func TestMetricsCountWhatHappens(t *testing.T) {
	router := open(t)
	query := arms.Query{Question: question, Images: []arms.Image{arms.FromImage(picture())}}
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 5; round++ {
				if _, err := router.Route(background, query); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	if _, err := router.Route(background, query, arms.WithAbstention(1)); err != nil {
		t.Fatal(err)
	}
	_, err := router.Route(background, query, arms.WithAllowed())
	wants(t, err, arms.ErrNoCandidates)
	if _, err := router.Score(background, []arms.Query{query, query}); err != nil {
		t.Fatal(err)
	}
	metrics, err := router.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if metrics.Routes != 21 || metrics.Abstentions != 1 || metrics.Scores != 1 || metrics.ScoredQueries != 2 {
		t.Errorf("%+v", metrics)
	}
	if len(metrics.Errors) != 1 || metrics.Errors[arms.StatusNoCandidates] != 1 {
		t.Errorf("errors %v", metrics.Errors)
	}
	if len(metrics.Stages) != len(arms.Stages()) {
		t.Errorf("%d stages", len(metrics.Stages))
	}
	for stage, histogram := range metrics.Stages {
		sum := uint64(0)
		for _, count := range histogram.Buckets {
			sum += count
		}
		if sum != histogram.Count || sum == 0 || histogram.Sum <= 0 {
			t.Errorf("%s: %+v", stage, histogram)
		}
	}
	if decoded := metrics.Stages[arms.StageDecode].Count; decoded != 23 {
		t.Errorf("%d images decoded", decoded)
	}
	list, err := router.List()
	if err != nil {
		t.Fatal(err)
	}
	chosen := uint64(0)
	for _, candidate := range list {
		chosen += candidate.Chosen
	}
	if chosen != 20 {
		t.Errorf("%d chosen of %+v", chosen, list)
	}
	router.Close()
	_, err = router.Metrics()
	wants(t, err, arms.ErrInvalidHandle)
}

func TestMetricsCountWhatCameEncoded(t *testing.T) {
	router := open(t)
	encoded, err := router.EncodeQuestion(background, question)
	if err != nil {
		t.Fatal(err)
	}
	image, err := router.EncodeImage(background, arms.FromImage(picture()))
	if err != nil {
		t.Fatal(err)
	}
	query := arms.Query{EncodedQuestion: encoded, EncodedImages: []*arms.EncodedImage{image, image}}
	if _, err := router.Route(background, query); err != nil {
		t.Fatal(err)
	}
	if _, err := router.Score(background, []arms.Query{query, {Question: question}}); err != nil {
		t.Fatal(err)
	}
	metrics, err := router.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if metrics.ReusedQuestions != 2 || metrics.ReusedImages != 4 {
		t.Errorf("%+v", metrics)
	}
}

func TestBoundsRise(t *testing.T) {
	for bucket := 1; bucket < 48; bucket++ {
		if arms.Bound(bucket) <= arms.Bound(bucket-1) {
			t.Errorf("bound %d is %v", bucket, arms.Bound(bucket))
		}
	}
	if arms.Bound(0) != 1.024e-6 || !math.IsInf(arms.Bound(47), 1) || !math.IsInf(arms.Bound(-1), 1) {
		t.Error("the first or the last bound is wrong")
	}
	if arms.StageText.String() != "text" || arms.Stage(-1).String() != "unknown" {
		t.Error("a stage has another name")
	}
}

func TestMessagesGoToTheFunction(t *testing.T) {
	var lock sync.Mutex
	var messages []string
	arms.SetLog(func(level arms.LogLevel, message string) {
		lock.Lock()
		defer lock.Unlock()
		if level == arms.LogError {
			message = "error " + message
		}
		messages = append(messages, message)
	})
	defer arms.SetLog(nil)
	router := open(t)
	wants(t, router.Reload("/absent.gguf"), arms.ErrIO)
	arms.SetLog(nil)
	wants(t, router.Reload("/absent.gguf"), arms.ErrIO)
	if len(messages) != 2 || !strings.HasPrefix(messages[0], "arms_router_open: ") ||
		!strings.HasPrefix(messages[1], "error arms_router_reload: /absent.gguf") {
		t.Errorf("%q", messages)
	}
}

func TestAPanicOfTheLogFunctionIsDropped(t *testing.T) {
	// The library knows by the thread who is in the function; the later one is to be called on the same.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer arms.SetLog(nil)
	var messages []string
	arms.SetLog(func(_ arms.LogLevel, message string) {
		messages = append(messages, message)
		panic("the disk is full")
	})
	router := open(t)
	wants(t, router.Reload("/absent.gguf"), arms.ErrIO)
	if _, err := router.Route(background, arms.Query{Question: question}); err != nil {
		t.Error(err)
	}
	if len(messages) != 2 {
		t.Errorf("messages to the function that panics: %q", messages)
	}
	arms.SetLog(func(_ arms.LogLevel, message string) { messages = append(messages, message) })
	_, err := arms.Open("/absent.gguf")
	wants(t, err, arms.ErrIO)
	if len(messages) != 3 || !strings.HasPrefix(messages[2], "arms_router_open: ") {
		t.Errorf("messages after a panic: %q", messages)
	}
}
