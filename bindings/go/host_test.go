package arms_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"arms.dev/arms"
)

// The scheduler stops goroutines with signals, and the collector the whole program, amid calls.
func TestPreemptionAndCollectionAmidCalls(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	router := open(t)
	query := arms.Query{Question: question, Images: []arms.Image{arms.FromImage(picture())}}
	expected, err := router.Route(background, query)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var group, busy sync.WaitGroup
	for worker := 0; worker < 2; worker++ {
		busy.Add(1)
		go func() {
			// A loop without calls is left by a signal only.
			defer busy.Done()
			for sum := 0; ; sum++ {
				select {
				case <-done:
					return
				default:
				}
				for i := 0; i < 1_000_000; i++ {
					sum ^= i
				}
			}
		}()
	}
	for worker := 0; worker < 4*runtime.GOMAXPROCS(0); worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 20; round++ {
				decision, err := router.Route(background, query)
				if err != nil || decision.Confidence != expected.Confidence {
					t.Errorf("%+v, %v", decision, err)
					return
				}
				if round%10 == 0 {
					encoded, err := router.EncodeQuestion(background, fmt.Sprint("What about ", round, "?"))
					if err != nil {
						t.Error(err)
					}
					if round%20 == 0 {
						// Others are left to the collector.
						encoded.Close()
					}
				}
			}
		}()
	}
	group.Wait()
	close(done)
	busy.Wait()
}

// os/exec forks, with every other thread amid a call.
func TestCommandsAmidCalls(t *testing.T) {
	if os.Getenv("ARMS_TEST_CHILD") != "" {
		return
	}
	router := open(t)
	done := make(chan struct{})
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				if _, err := router.Route(background, arms.Query{Question: question}); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	for round := 0; round < 10; round++ {
		command := exec.Command(os.Args[0], "-test.run", "^TestCommandsAmidCalls$")
		command.Env = append(os.Environ(), "ARMS_TEST_CHILD=1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
	}
	close(done)
	group.Wait()
}
