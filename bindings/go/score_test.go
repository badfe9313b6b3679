package arms_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"arms.dev/arms"
)

// Every change makes a generation, and far more are made than a score takes time for.
func TestScoreWhileCandidatesChange(t *testing.T) {
	for name, change := range map[string]func(*arms.Router, arms.Candidate) error{
		"updated": func(router *arms.Router, candidate arms.Candidate) error {
			return router.Update(arms.Candidate{Name: candidate.Name, Cost: arms.Known(1)})
		},
		"disabled": func(router *arms.Router, candidate arms.Candidate) error {
			if err := router.Disable(candidate.Name); err != nil {
				return err
			}
			return router.Enable(candidate.Name)
		},
		"removed": func(router *arms.Router, candidate arms.Candidate) error {
			if err := router.Remove(candidate.Name); err != nil {
				return err
			}
			return router.Add(background, candidate)
		},
	} {
		t.Run(name, func(t *testing.T) { scoreDuring(t, change) })
	}
}

func scoreDuring(t *testing.T, change func(*arms.Router, arms.Candidate) error) {
	router := open(t)
	info, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	// Many, so that reading them takes a while.
	queries := make([]arms.Query, 100)
	for i := range queries {
		queries[i].Question = fmt.Sprint(question, i)
	}
	want, err := router.Score(background, queries)
	if err != nil {
		t.Fatal(err)
	}
	changing := arms.Candidate{Name: "changing", Embedding: make([]float32, info.TextWidth)}
	changing.Embedding[0] = 1
	if err := router.Add(background, changing); err != nil {
		t.Fatal(err)
	}
	defer repeat(t, func() error { return change(router, changing) })()
	ctx, cancel := context.WithTimeout(background, 10*time.Second)
	defer cancel()
	generation := want.Generation
	const rounds = 50
	for round := 0; round < rounds; round++ {
		got, err := router.Score(ctx, queries)
		if err != nil {
			t.Fatal(err)
		}
		if got.Generation <= want.Generation || got.Generation < generation {
			t.Errorf("generation %d after %d", got.Generation, generation)
		}
		generation = got.Generation
		sameColumns(t, got, want, changing.Name)
	}
	metrics, err := router.Metrics()
	if err != nil || metrics.Scores != 1+rounds {
		t.Errorf("%d scores computed for %d calls, %v", metrics.Scores, 1+rounds, err)
	}
}

// repeat calls a function in another goroutine, again and again, until the result is called.
func repeat(t *testing.T, call func() error) (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		for {
			if err := call(); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	return func() {
		close(done)
		group.Wait()
	}
}

// sameColumns checks that scores have the columns that are wanted, and one more at most.
func sameColumns(t *testing.T, got, want arms.Scores, more string) {
	t.Helper()
	names := want.Names
	if len(got.Names) > len(names) {
		names = append(append([]string{}, names...), more)
	}
	rows := len(want.Values) / len(want.Names)
	if len(got.Names) != len(names) || len(got.Values) != rows*len(names) {
		t.Fatalf("columns %q and %d scores, want columns %q", got.Names, len(got.Values), names)
	}
	for column, name := range names {
		if got.Names[column] != name {
			t.Errorf("column %d is %q, want %q", column, got.Names[column], name)
		}
		for row := 0; row < rows && name != more; row++ {
			if got.Row(row)[column] != want.Row(row)[column] {
				t.Errorf("query %d, %s: %v, want %v", row, name, got.Row(row), want.Row(row))
			}
		}
	}
}
