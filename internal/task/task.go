// Package task turns panics into errors, so that a defect fails one run and does not end the process. It also waits for
// work that may hang, and for a time, no longer than a context.
package task

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Do calls f and returns its error. A panic in f is returned as a *Panic. Every
// goroutine of the program runs its work through Do.
func Do(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &Panic{Value: value, Where: where()}
		}
	}()
	return f()
}

// Run calls f, which has no error of its own; see Do.
func Run(f func()) error { return Do(func() error { f(); return nil }) }

// Go calls f beside the caller; see Do. wait returns f's error once f has ended.
func Go(f func() error) (wait func() error) {
	ended := make(chan error, 1)
	go func() { ended <- Do(f) }()
	return sync.OnceValue(func() error { return <-ended })
}

// Workers are goroutines that are used again: a new one grows its stack in steps, and each step copies it.
type Workers struct{ idle chan func() }

// NewWorkers returns no goroutines yet. The caller must close the workers.
func NewWorkers() Workers { return Workers{make(chan func())} }

// Go calls f beside the caller, in a goroutine that has nothing to do, or in a new one. f must not panic.
func (w Workers) Go(f func()) {
	select {
	case w.idle <- f:
		return
	default:
	}
	go func() {
		for ok := true; ok; f, ok = <-w.idle {
			f()
		}
	}()
}

// Close ends each goroutine after its function. Nobody may call Go after it.
func (w Workers) Close() { close(w.idle) }

// Within returns what f returns, or the error of the context if that ends first: f may hang. f then goes on, and
// nobody waits for it.
func Within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = Do(func() (err error) {
			r.value, err = f()
			return err
		})
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// Sleep waits for a time. It returns the context's error if that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Panic is a panic that was recovered.
type Panic struct {
	Value any
	Where string // the function and line that panicked
}

func (p *Panic) Error() string {
	return text.Bound(fmt.Sprintf("internal error: %v, in %s", p.Value, p.Where))
}

// where returns the frame that panicked: the first below the runtime's.
func where() string {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	panicked := false
	for {
		frame, more := frames.Next()
		inRuntime := len(frame.Function) > 8 && frame.Function[:8] == "runtime."
		if panicked && !inRuntime {
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		panicked = panicked || inRuntime && frame.Function == "runtime.gopanic"
		if !more {
			return "an unknown place"
		}
	}
}
