package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

// StopName is the name of the kill switch: while this record exists, every run ends before its next
// batch. This program never writes or removes it.
const StopName = "stop"

// ErrStopped means that the kill switch is on.
var ErrStopped = errors.New("the record " + StopName + " in the state store stops all runs")

const (
	// switchEvery is the time after which the kill switch is read again.
	switchEvery = time.Second
	// switchGone is the time for which reads may fail before an enforcing run ends.
	switchGone = 10 * time.Second
)

// Admit returns a context that ends when no further call may be started: by the budget, or because the kill switch is
// on. It checks the switch at once, and then every second. It returns an error if it cannot check at once. If strict
// is true, the context also ends when checks fail for switchGone.
func Admit(ctx context.Context, budget deadline.Budget, store state.Store, strict bool) (admit context.Context, end func(), err error) {
	admit, cancel := budget.Admit(ctx)
	watched, stop := context.WithCancelCause(admit)
	stopped, err := isStopped(ctx, store)
	if stopped {
		stop(ErrStopped)
	}
	go func() {
		ticker := time.NewTicker(switchEvery)
		defer ticker.Stop()
		for good := time.Now(); ; {
			select {
			case <-watched.Done():
				return
			case <-ticker.C:
			}
			switch stopped, err := isStopped(watched, store); {
			case stopped:
				stop(ErrStopped)
			case err == nil:
				good = time.Now()
			case strict && time.Since(good) > switchGone:
				stop(err)
			}
		}
	}()
	return watched, func() { stop(nil); cancel() }, err
}

func isStopped(ctx context.Context, store state.Store) (stopped bool, err error) {
	err = task.Do(func() error {
		_, err := store.Read(ctx, StopName)
		return err
	})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, state.ErrNotFound):
		return false, nil
	}
	return false, fmt.Errorf("check whether the record %s stops all runs: %w", StopName, err)
}
