package arms_test

import (
	"strconv"
	"testing"

	"arms.dev/arms"
)

// One decision is made for each call, also while a candidate comes and goes.
func TestRouteWhileCandidatesChange(t *testing.T) {
	router := open(t)
	info, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	// Many, so that making room for them takes a while.
	candidates := make([]arms.Candidate, 2000)
	for i := range candidates {
		candidates[i] = arms.Candidate{Name: strconv.Itoa(i), Embedding: make([]float32, info.TextWidth)}
		candidates[i].Embedding[i%info.TextWidth] = 1
	}
	if err := router.Add(background, candidates...); err != nil {
		t.Fatal(err)
	}
	defer repeat(t, func() error {
		if err := router.Remove(candidates[0].Name); err != nil {
			return err
		}
		return router.Add(background, candidates[0])
	})()
	const rounds = 200
	for round := 0; round < rounds; round++ {
		decision, err := router.Route(background, arms.Query{Question: question})
		if err != nil {
			t.Fatal(err)
		}
		if all := info.CandidateCount + len(candidates); len(decision.Ranked) < all-1 || len(decision.Ranked) > all {
			t.Errorf("%d candidates are ranked, of %d", len(decision.Ranked), all)
		}
	}
	metrics, err := router.Metrics()
	if err != nil || metrics.Routes != rounds {
		t.Errorf("%d routes computed for %d calls, %v", metrics.Routes, rounds, err)
	}
}
