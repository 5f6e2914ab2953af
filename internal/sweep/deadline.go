package sweep

import (
	"context"
	"time"
)

// The answer to a call must be there before the platform's end: of the call's time a tenth
// is kept for it and for what has to be noted, and at most 15 s. A quarter of that is the
// answer's own.
const (
	margin       = 0.1
	maxMargin    = 15 * time.Second
	answerMargin = margin / 4
)

// Reserve returns a context for the work of a call, which ends before its deadline: see
// margin. Without a deadline it ends with ctx.
func Reserve(ctx context.Context) (context.Context, context.CancelFunc) {
	return before(ctx, margin, maxMargin)
}

// before returns a context that ends before ctx's deadline, by a part of the time that
// is left and at most by most.
func before(ctx context.Context, part float64, most time.Duration) (context.Context, context.CancelFunc) {
	end := endBefore(ctx, part, most)
	if end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end)
}

func endBefore(ctx context.Context, part float64, most time.Duration) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return deadline.Add(-min(most, time.Duration(part*float64(time.Until(deadline)))))
}

// End returns until when a call that begins may note things; zero for ever.
func End(ctx context.Context) time.Time { return endBefore(ctx, answerMargin, maxMargin/4) }

// Afterwards returns a context for what must be noted although the time for the work
// is up: it lasts for at most 5 s, and for three quarters of what is left until the
// call's End, if that is not zero.
func Afterwards(ctx context.Context, end time.Time) (context.Context, context.CancelFunc) {
	left := 5 * time.Second
	if !end.IsZero() {
		left = min(left, time.Until(end)*3/4)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), left)
}
