package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mediasweep/mediasweep/internal/deadline"
)

// UntilStopped returns a context that ends with a signal to stop: Ctrl-C, SIGTERM, or the end of the terminal. A second
// Ctrl-C or SIGTERM ends the process at once. A second SIGHUP does not: when a terminal ends, its shell sends one, and the
// system another. Under nohup the end of the terminal is ignored.
func UntilStopped() (context.Context, context.CancelFunc) {
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(stopped, stop)
	hungUp, hangUp := stopped, stop
	if !signal.Ignored(syscall.SIGHUP) {
		hungUp, hangUp = signal.NotifyContext(stopped, syscall.SIGHUP)
	}
	ctx, end := context.WithCancelCause(context.Background())
	context.AfterFunc(hungUp, func() { end(deadline.ErrInterrupted) }) // in place of the name of the signal
	return ctx, func() {
		hangUp()
		stop()
	}
}
