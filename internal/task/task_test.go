package task_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// A caller waits for the work, or for the end of its context.
func TestWithin(t *testing.T) {
	value, err := task.Within(t.Context(), func() (int, error) { return 1, errors.ErrUnsupported })
	if value != 1 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %d, %v: want what the work returned", value, err)
	}
	var panicked *task.Panic
	if _, err := task.Within(t.Context(), func() (int, error) { panic("broken") }); !errors.As(err, &panicked) {
		t.Errorf("%v: want the panic", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	_, err = task.Within(ctx, func() (int, error) {
		cancel()
		<-release
		return 1, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v: want the end of the context", err)
	}
}

func TestGo(t *testing.T) {
	begun := make(chan struct{})
	wait := task.Go(func() error { close(begun); return errors.ErrUnsupported })
	<-begun
	if err := wait(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v: want the error of the work", err)
	}
	var panicked *task.Panic
	if err := task.Go(func() error { panic("broken") })(); !errors.As(err, &panicked) {
		t.Errorf("%v: want the panic", err)
	}
}

func TestDo(t *testing.T) {
	failed := errors.New("failed")
	var none []int
	for name, test := range map[string]struct {
		work func() error
		want string
	}{
		"nothing":       {func() error { return nil }, ""},
		"an error":      {func() error { return failed }, "failed"},
		"a panic":       {func() error { panic("no rule") }, "internal error: no rule, in github.com/mediasweep/mediasweep/internal/task_test.TestDo.func"},
		"of runtime":    {func() error { return errors.New(strings.Repeat("x", none[3])) }, "internal error: runtime error: index out of range [3] with length 0, in github.com/mediasweep/mediasweep/internal/task_test.TestDo.func"},
		"a long reason": {func() error { panic(strings.Repeat("x", 1<<20)) }, "internal error: xxx"},
	} {
		err := task.Do(test.work)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if err != nil && len(err.Error()) > text.MaxMessage {
			t.Errorf("%s: %d bytes", name, len(err.Error()))
		}
	}
	var panicked *task.Panic
	if err := task.Do(func() error { panic(failed) }); !errors.As(err, &panicked) || panicked.Value != any(failed) {
		t.Errorf("%v", err)
	}
}

// Workers that have nothing to do are used again, and end when they are closed.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine stays
		w := task.NewWorkers()
		defer w.Close()
		ids := map[string]int{}
		for range 3 {
			var together sync.WaitGroup
			var mu sync.Mutex
			begin := make(chan struct{})
			for range 5 {
				together.Add(1)
				w.Go(func() {
					defer together.Done()
					<-begin
					mu.Lock()
					defer mu.Unlock()
					var stack [64]byte
					id, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), "[")
					ids[id]++
				})
			}
			close(begin)
			together.Wait()
			synctest.Wait()
		}
		if len(ids) != 5 {
			t.Errorf("goroutines and their functions: %v", ids)
		}
	})
}
