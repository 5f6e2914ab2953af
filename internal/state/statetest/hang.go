package statetest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// CallersWaitForTheirContext holds that a store that hangs keeps no caller beyond its context, and that none is kept by
// another. newRun returns the call, over a store.
func CallersWaitForTheirContext(t *testing.T, newRun func(store *Memory) func(ctx context.Context) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := New()
		run := newRun(store)
		store.Hang = true
		began := time.Now()
		long, cancelLong := context.WithTimeout(t.Context(), time.Minute)
		defer cancelLong()
		first := make(chan error, 1)
		go func() { first <- run(long) }()
		synctest.Wait()
		short, cancelShort := context.WithTimeout(t.Context(), time.Second)
		defer cancelShort()
		if err := run(short); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("the second caller: %v after %v", err, time.Since(began))
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("the first caller: %v after %v", err, time.Since(began))
		}
		if err := run(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after its time: %v", err)
		}
	})
}
