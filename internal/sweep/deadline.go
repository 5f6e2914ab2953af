package sweep

import (
	"context"
	"time"
)

// Reserve returns a context for the work of a call. It ends a tenth of the call's time
// before its deadline, and at most 15 s, since the answer must be there before the
// platform's end. Without a deadline it ends with ctx.
func Reserve(ctx context.Context) (context.Context, context.CancelFunc) {
	return before(ctx, 0.1, 15*time.Second)
}

// before returns a context that ends before ctx's deadline, by a part of the time that
// is left and at most by most.
func before(ctx context.Context, part float64, most time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	reserved := time.Duration(part * float64(time.Until(deadline)))
	return context.WithDeadline(ctx, deadline.Add(-min(most, reserved)))
}

// Afterwards returns a context for what must be noted although the time for the work
// is up: it lasts for at most 5 s, and for three quarters of what is left until the
// call's deadline, if that is not zero.
func Afterwards(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	left := 5 * time.Second
	if !deadline.IsZero() {
		left = min(left, time.Until(deadline)*3/4)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), left)
}
