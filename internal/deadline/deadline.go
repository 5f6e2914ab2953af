// Package deadline divides the time of one call.
package deadline

import (
	"context"
	"errors"
	"time"
)

// Parts of a call's time that are kept before its end. The answer must be there
// before the platform's end: a tenth is kept for it and for what has to be recorded,
// and at most 15 s. A quarter of that is the answer's own.
const (
	margin       = 0.1
	maxMargin    = 15 * time.Second
	answerMargin = margin / 4
	// Of the time that a run has, a fifth, and at most 10 s, is for what is in flight:
	// it is finished and verified.
	flightMargin    = 0.2
	maxFlightMargin = 10 * time.Second
)

// Budget divides the time of one call. It is made once, when the call comes, and
// holds for all that the call does. Its zero value sets no limit.
type Budget struct {
	work   time.Time       // the work ends
	record time.Time       // nothing is recorded after
	caller context.Context //nolint:containedctx // of a call that outlives its caller; else nil
}

type budgetKey struct{}

// New divides the time from now to the context's deadline. The context of a budget's work has that budget.
func New(ctx context.Context) Budget {
	deadline, ok := ctx.Deadline()
	if !ok {
		return Budget{}
	}
	if b, ok := ctx.Value(budgetKey{}).(Budget); ok && b.work.Equal(deadline) {
		return b
	}
	return Budget{work: before(deadline, margin, maxMargin), record: before(deadline, answerMargin, maxMargin/4)}
}

// before returns the instant before an end by a part of the time until then, and at
// most by most.
func before(end time.Time, part float64, most time.Duration) time.Time {
	return end.Add(-min(most, time.Duration(part*float64(time.Until(end)))))
}

// Work returns a context for the work of the call.
func (b Budget) Work(ctx context.Context) (context.Context, context.CancelFunc) {
	return until(context.WithValue(ctx, budgetKey{}, b), b.work)
}

// WorkEnd returns when the work of the call ends; zero without a limit.
func (b Budget) WorkEnd() time.Time { return b.work }

// Admit returns a context that ends when no further call may be started. Its cause is ErrInterrupted if the caller has
// gone; see Outlive.
func (b Budget) Admit(ctx context.Context) (context.Context, context.CancelFunc) {
	end := b.work
	if !end.IsZero() {
		end = before(b.work, flightMargin, maxFlightMargin)
	}
	admit, cancel := until(ctx, end)
	if b.caller == nil {
		return admit, cancel
	}
	admit, interrupt := context.WithCancelCause(admit)
	stop := context.AfterFunc(b.caller, func() { interrupt(ErrInterrupted) })
	return admit, func() {
		stop()
		cancel()
	}
}

// Outlive returns the budget of a call that outlives its caller, and the call's context. Once the caller has gone, such
// as by Ctrl-C, the budget admits no call. What is in flight has as much time as before a deadline, to be finished and
// recorded.
func (b Budget) Outlive(ctx context.Context) (Budget, context.Context, context.CancelFunc) {
	b.caller = ctx
	end, _ := ctx.Deadline()
	alive, cancel := until(context.WithoutCancel(ctx), end)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(maxFlightMargin, cancel) })
	return b, alive, func() {
		stop()
		cancel()
	}
}

func until(ctx context.Context, end time.Time) (context.Context, context.CancelFunc) {
	if end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end)
}

// MaxRecord is the longest time for a record. A store that needs longer does not answer.
const MaxRecord = 5 * time.Second

// Record returns a context for what must be recorded although the work's time is up. It
// lasts for at most 5 s, and for three quarters of what is left.
func (b Budget) Record(ctx context.Context) (context.Context, context.CancelFunc) {
	left := MaxRecord
	if !b.record.IsZero() {
		left = min(left, time.Until(b.record)*3/4)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), left)
}

// Finish returns a context for the last records of a call. They are written side by side, so
// each has all of the time that is left, up to 5 s.
func (b Budget) Finish(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), b.Left(MaxRecord))
}

// Left returns the time after which the call records nothing more, at most most. A call of the command line has three
// hundred years.
func (b Budget) Left(most time.Duration) time.Duration {
	if b.record.IsZero() {
		return most
	}
	return min(most, time.Until(b.record))
}

// ErrInterrupted is the reason of a run whose caller has gone.
var ErrInterrupted = errors.New("interrupted")

// ErrTimeUp is the reason of a run that its time limit ended.
var ErrTimeUp = errors.New("time limit reached")

// Reason returns why a context has ended: its cause, or ErrTimeUp if that is only the end of a context.
func Reason(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !Passed(cause) {
		return cause
	}
	return ErrTimeUp
}

// Passed reports whether an error is the end of a context.
func Passed(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
