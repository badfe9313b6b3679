package arms_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"arms.dev/arms"
)

const pooled = "../../Tests/Fixtures/models/bert-pooled-scaled.gguf"

func TestReloadTakesWeightsAndCandidates(t *testing.T) {
	router := open(t)
	before, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	if err := router.Reload(pooled); err != nil {
		t.Fatal(err)
	}
	after, err := router.Info()
	if err != nil || after.Fusion != arms.FusionPooled || after.Generation != before.Generation+1 {
		t.Errorf("%+v after %+v, %v", after, before, err)
	}
	decision, err := router.Route(background, arms.Query{Question: question})
	if err != nil || decision.Generation != after.Generation || decision.ImagesIgnored {
		t.Errorf("%+v, %v", decision, err)
	}
}

func TestReloadKeepsCandidatesIfAsked(t *testing.T) {
	router := open(t)
	if err := router.Remove("reader"); err != nil {
		t.Fatal(err)
	}
	if err := router.Add(background, arms.Candidate{Name: "new", Profile: "Reads charts."}); err != nil {
		t.Fatal(err)
	}
	if err := router.Reload(pooled, arms.KeepCandidates()); err != nil {
		t.Fatal(err)
	}
	list, err := router.List()
	if err != nil || len(list) != 3 || list[2].Name != "new" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestReloadOfABadFileLeavesTheOldOne(t *testing.T) {
	router := open(t)
	before, _ := router.Info()
	part := filepath.Join(t.TempDir(), "part.gguf")
	whole, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, whole[:20_000], 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, router.Reload(part), arms.ErrInvalidModel)
	wants(t, router.Reload(part+".absent"), arms.ErrIO)
	wants(t, router.Reload("a\x00b"), arms.ErrInvalidArgument)
	if after, err := router.Info(); err != nil || after != before {
		t.Errorf("%+v, %v, want %+v", after, err, before)
	}
	router.Close()
	wants(t, router.Reload(model), arms.ErrInvalidHandle)
}

// A decision's generation says which weights made it.
func TestReloadUnderLoad(t *testing.T) {
	router, other := open(t), open(t)
	query := arms.Query{Question: question}
	expected := map[uint64]float32{}
	for parity, path := range []string{pooled, model} {
		if err := other.Reload(path); err != nil {
			t.Fatal(err)
		}
		decision, err := other.Route(background, query)
		if err != nil {
			t.Fatal(err)
		}
		expected[uint64(parity)] = decision.Confidence
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				decision, err := router.Route(background, query)
				if err != nil || decision.Confidence != expected[decision.Generation%2] {
					t.Errorf("%+v, %v", decision, err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	for round := 0; round < 20; round++ {
		for _, path := range []string{pooled, model} {
			if err := router.Reload(path); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	group.Wait()
}
