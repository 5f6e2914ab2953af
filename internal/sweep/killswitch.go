package sweep

import (
	"context"
	"errors"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

// StopName is the name of the kill switch: while this record exists, every run ends before its next
// batch. This program never writes or removes it.
const StopName = "stop"

// ErrStopped means that the kill switch is on.
var ErrStopped = errors.New("the record " + StopName + " in the state store stops all runs")

// watchKillSwitch returns a context that ends with admit, or when the record exists. It checks at
// once, and then every second.
func watchKillSwitch(ctx, admit context.Context, store state.Store) (context.Context, context.CancelFunc) {
	watched, stop := context.WithCancelCause(admit)
	if isStopped(ctx, store) {
		stop(ErrStopped)
	}
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-ticker.C:
				if isStopped(watched, store) {
					stop(ErrStopped)
				}
			}
		}
	}()
	return watched, func() { stop(nil) }
}

// isStopped reports whether the record exists. An error of the store does not stop the run: saving
// the plan would fail too.
func isStopped(ctx context.Context, store state.Store) bool {
	return nil == task.Do(func() error {
		_, err := store.Read(ctx, StopName)
		return err
	})
}
