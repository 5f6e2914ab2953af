package sweep

import (
	"context"
	"errors"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

// StopName is the name of the record that ends every run before its next batch, for
// as long as it is there. People write and remove it; this program does neither.
const StopName = "stop"

// ErrStopped says that somebody wrote the record that stops all runs.
var ErrStopped = errors.New("the record " + StopName + " in the state store stops all runs")

// watchStop returns a context that ends as soft does, and when the record is there.
// It looks at once, and then every second.
func (r *run) watchStop(ctx, soft context.Context) (context.Context, context.CancelFunc) {
	watched, stop := context.WithCancelCause(soft)
	if r.seesStop(ctx) {
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
				if r.seesStop(watched) {
					stop(ErrStopped)
				}
			}
		}
	}()
	r.soft = watched
	return watched, func() { stop(nil) }
}

// seesStop reports whether the record is there. A store that does not answer stops
// nothing: the plan could then not be written anyway.
func (r *run) seesStop(ctx context.Context) bool {
	return nil == task.Do(func() error {
		_, err := r.Store.Read(ctx, StopName)
		return err
	})
}

// timeUp says why no deletion was sent any more.
func (r *run) timeUp() error {
	if cause := context.Cause(r.soft); cause != nil && !isContext(cause) {
		return cause
	}
	return errors.New("the time was up")
}
