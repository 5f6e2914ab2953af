package sweep

import (
	"context"
	"errors"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

// StopName is the name of the record that ends every run before its next batch, for as long
// as it exists. People write and remove it; this program does neither.
const StopName = "stop"

// ErrStopped says that the kill switch is on.
var ErrStopped = errors.New("the record " + StopName + " in the state store stops all runs")

// watchKillSwitch returns a context that ends as admit does, and when the record exists. It
// looks at once, and then every second.
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

// isStopped reports whether the record exists. A store that does not answer stops nothing:
// the plan could then not be saved anyway.
func isStopped(ctx context.Context, store state.Store) bool {
	return nil == task.Do(func() error {
		_, err := store.Read(ctx, StopName)
		return err
	})
}
