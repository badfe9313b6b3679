package arms_test

import (
	"math"
	"strconv"
	"sync"
	"testing"

	"arms.dev/arms"
)

func dataSet(t testing.TB, samples ...arms.Sample) *arms.DataSet {
	t.Helper()
	data, err := arms.NewDataSet()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	if err := data.Add(samples...); err != nil {
		t.Fatal(err)
	}
	return data
}

func counts(t testing.TB, data *arms.DataSet, wantQueries, wantOutcomes int) {
	t.Helper()
	queries, outcomes, err := data.Count()
	if err != nil || queries != wantQueries || outcomes != wantOutcomes {
		t.Errorf("%d queries, %d outcomes, %v; want %d and %d",
			queries, outcomes, err, wantQueries, wantOutcomes)
	}
}

func TestRowsOfOneQueryAreJoined(t *testing.T) {
	data := dataSet(t)
	counts(t, data, 0, 0)
	file := encoded(t, picture())
	small := []arms.Outcome{{Candidate: "small", Correct: true, Weight: 2, Cost: arms.Known(0.5)}}
	large := []arms.Outcome{{Candidate: "large"}}
	for _, sample := range []arms.Sample{
		{Question: question, Images: []arms.Image{arms.FromBytes(file)}, Outcomes: small},
		{Question: question, Images: []arms.Image{arms.FromImage(picture())}, Outcomes: small},
		{Question: question, Outcomes: small},
	} {
		if err := data.Add(sample); err != nil {
			t.Fatal(err)
		}
	}
	// What was given is copied.
	copied := append([]byte{}, file...)
	for i := range file {
		file[i] = 0
	}
	if err := data.Add(arms.Sample{
		Question: question, Images: []arms.Image{arms.FromBytes(copied)}, Outcomes: large,
	}, arms.Sample{Question: question, Outcomes: large}); err != nil {
		t.Fatal(err)
	}
	counts(t, data, 3, 5)
	memory, err := data.Memory()
	if err != nil || memory.Samples < uint64(len(file)) || memory.Cache != 0 {
		t.Errorf("%+v, %v", memory, err)
	}
}

func TestImpossibleSamplesAreRefused(t *testing.T) {
	good := arms.Sample{Question: question, Outcomes: []arms.Outcome{{Candidate: "small"}}}
	data := dataSet(t, good)
	outcome := func(bad arms.Outcome) arms.Sample {
		return arms.Sample{Question: "bad", Outcomes: []arms.Outcome{{Candidate: "small"}, bad}}
	}
	below := float64(-1)
	for name, bad := range map[string]struct {
		sample arms.Sample
		want   error
	}{
		"no outcome":  {arms.Sample{Question: "bad"}, arms.ErrInvalidArgument},
		"twice":       {good, arms.ErrAlreadyExists},
		"twice here":  {outcome(arms.Outcome{Candidate: "small"}), arms.ErrAlreadyExists},
		"no name":     {outcome(arms.Outcome{}), arms.ErrInvalidArgument},
		"a NUL":       {outcome(arms.Outcome{Candidate: "a\x00"}), arms.ErrInvalidArgument},
		"not UTF-8":   {outcome(arms.Outcome{Candidate: "\xff"}), arms.ErrInvalidText},
		"below 0":     {outcome(arms.Outcome{Candidate: "a", Weight: -1}), arms.ErrInvalidArgument},
		"cost":        {outcome(arms.Outcome{Candidate: "a", Cost: &below}), arms.ErrInvalidArgument},
		"question":    {arms.Sample{Question: "\xff", Outcomes: good.Outcomes}, arms.ErrInvalidText},
		"weight":      {outcome(arms.Outcome{Candidate: "a", Weight: float32(math.NaN())}), arms.ErrNotFinite},
		"no image":    {arms.Sample{Images: []arms.Image{{}}, Outcomes: good.Outcomes}, arms.ErrInvalidImage},
		"no bytes":    {arms.Sample{Images: []arms.Image{arms.FromBytes([]byte{})}, Outcomes: good.Outcomes}, arms.ErrInvalidImage},
		"not a JPEG":  {arms.Sample{Images: []arms.Image{arms.FromBytes([]byte("text"))}, Outcomes: good.Outcomes}, arms.ErrInvalidImage},
		"few bytes":   {arms.Sample{Images: []arms.Image{arms.RGB8([]byte{1}, 9, 9, 0)}, Outcomes: good.Outcomes}, arms.ErrInvalidArgument},
		"no path":     {arms.Sample{Images: []arms.Image{arms.FromPath("")}, Outcomes: good.Outcomes}, arms.ErrInvalidArgument},
		"below width": {arms.Sample{Images: []arms.Image{arms.Gray8([]byte{1}, -1, 1, 0)}, Outcomes: good.Outcomes}, arms.ErrInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, data.Add(arms.Sample{Question: "new", Outcomes: good.Outcomes}, bad.sample), bad.want)
			counts(t, data, 1, 1)
		})
	}
	data.Close()
	data.Close()
	wants(t, data.Add(good), arms.ErrInvalidHandle)
	_, _, err := data.Count()
	wants(t, err, arms.ErrInvalidHandle)
	_, err = data.Memory()
	wants(t, err, arms.ErrInvalidHandle)
}

func TestGoroutinesAddAtOnce(t *testing.T) {
	data := dataSet(t)
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		name := strconv.Itoa(worker)
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 50; i++ {
				if err := data.Add(arms.Sample{
					Question: strconv.Itoa(i),
					Images:   []arms.Image{arms.FromImage(picture())},
					Outcomes: []arms.Outcome{{Candidate: name, Correct: i%2 == 0}},
				}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	counts(t, data, 50, 200)
}
