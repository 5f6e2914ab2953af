package sweep_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/sweep"
)

// A call's margin is a part of its whole time, however late its work begins.
func TestBudget(t *testing.T) {
	for _, test := range []struct {
		whole, work, record time.Duration
	}{
		{2 * time.Second, 1800 * time.Millisecond, 1950 * time.Millisecond},
		{time.Minute, 54 * time.Second, 58500 * time.Millisecond},
		{time.Hour, time.Hour - 15*time.Second, time.Hour - 3750*time.Millisecond},
	} {
		t.Run(test.whole.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), test.whole)
				defer cancel()
				budget := sweep.NewBudget(ctx)
				for _, late := range []time.Duration{0, test.work / 2, test.work / 4} {
					time.Sleep(late)
					work, cancel := budget.Work(ctx)
					defer cancel()
					if end, _ := work.Deadline(); end.Sub(began) != test.work {
						t.Errorf("after %v the work may last until %v, want %v", time.Since(began), end.Sub(began), test.work)
					}
				}
				work, cancelWork := budget.Work(ctx)
				defer cancelWork()
				<-work.Done()
				for range 20 { // one record after another, each of which hangs
					after, cancel := budget.Afterwards(ctx)
					<-after.Done()
					cancel()
				}
				if took := time.Since(began); took > test.record {
					t.Errorf("recorded until %v, want at most %v", took, test.record)
				}
			})
		})
	}
}

func TestBudgetWithoutADeadline(t *testing.T) {
	budget := sweep.NewBudget(t.Context())
	ctx, cancel := budget.Work(t.Context())
	defer cancel()
	if _, ok := ctx.Deadline(); ok {
		t.Error("work that nobody waits for has an end")
	}
	limited, cancelLimited := context.WithTimeout(t.Context(), time.Second)
	defer cancelLimited()
	if one := sweep.NewBudget(limited); one.Earlier(budget) != one || budget.Earlier(one) != one {
		t.Error("a budget without an end ends first")
	}
}
