// Package task turns panics into errors, so that a defect fails one run and does not end the process.
package task

import (
	"fmt"
	"runtime"

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
