package deadline_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
)

// The margins are parts of the call's whole time, however late a stage begins.
func TestBudget(t *testing.T) {
	for _, test := range []struct {
		whole, admit, work, record time.Duration
	}{
		{2 * time.Second, 1440 * time.Millisecond, 1800 * time.Millisecond, 1950 * time.Millisecond},
		{time.Minute, 44 * time.Second, 54 * time.Second, 58500 * time.Millisecond},
		{time.Hour, time.Hour - 25*time.Second, time.Hour - 15*time.Second, time.Hour - 3750*time.Millisecond},
	} {
		t.Run(test.whole.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), test.whole)
				defer cancel()
				budget := deadline.New(ctx)
				admit, cancelAdmit := budget.Admit(ctx)
				defer cancelAdmit()
				if end, _ := admit.Deadline(); end.Sub(began) != test.admit {
					t.Errorf("calls start until %v, want %v", end.Sub(began), test.admit)
				}
				for _, late := range []time.Duration{0, test.work / 2, test.work / 4} {
					time.Sleep(late)
					work, cancel := budget.Work(ctx)
					defer cancel()
					if end, _ := work.Deadline(); end.Sub(began) != test.work {
						t.Errorf("after %v the work ends at %v, want %v", time.Since(began), end.Sub(began), test.work)
					}
				}
				work, cancelWork := budget.Work(ctx)
				defer cancelWork()
				<-work.Done()
				for i := range 20 { // records that hang, one after the other
					record, cancel := budget.Record(ctx)
					if i < 3 && record.Err() != nil {
						t.Errorf("record %d has no time", i)
					}
					<-record.Done()
					cancel()
				}
				if took := time.Since(began); took > test.record {
					t.Errorf("records end at %v, want at most %v", took, test.record)
				}
			})
		})
	}
}

// A late stage starts calls too, as long as the work goes on.
func TestAdmitLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		budget := deadline.New(ctx)
		time.Sleep(50 * time.Second) // 4 s before the work's end
		admit, cancelAdmit := budget.Admit(ctx)
		defer cancelAdmit()
		if end, _ := admit.Deadline(); time.Until(end) != 3200*time.Millisecond {
			t.Errorf("calls start for %v, want 3.2s", time.Until(end))
		}
	})
}

// A record is written although the call was cancelled.
func TestRecordOutlivesTheCall(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	budget := deadline.New(ctx)
	cancel()
	record, cancelRecord := budget.Record(ctx)
	defer cancelRecord()
	if record.Err() != nil {
		t.Errorf("record: %v", record.Err())
	}
	work, cancelWork := budget.Work(ctx)
	defer cancelWork()
	if work.Err() == nil {
		t.Error("the work outlives the call")
	}
}

func TestBudgetWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := deadline.New(t.Context())
		for name, limit := range map[string]func(context.Context) (context.Context, context.CancelFunc){"work": budget.Work, "admit": budget.Admit} {
			ctx, cancel := limit(t.Context())
			if end, ok := ctx.Deadline(); ok {
				t.Errorf("%s ends at %v", name, end)
			}
			cancel()
		}
		record, cancel := budget.Record(t.Context())
		defer cancel()
		if end, _ := record.Deadline(); time.Until(end) != 5*time.Second {
			t.Errorf("a record has %v, want 5s", time.Until(end))
		}
	})
}

// The last records of a call have all of its time for records.
func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		budget := deadline.New(ctx)
		time.Sleep(3600 * time.Millisecond) // the work's end
		for range 2 {
			finish, cancel := budget.Finish(ctx)
			defer cancel()
			if end, _ := finish.Deadline(); time.Until(end) != 300*time.Millisecond {
				t.Errorf("a last record has %v, want 300ms", time.Until(end))
			}
		}
		finish, cancelFinish := deadline.Budget{}.Finish(ctx)
		defer cancelFinish()
		if end, _ := finish.Deadline(); time.Until(end) != 5*time.Second {
			t.Errorf("a last record without a deadline has %v, want 5s", time.Until(end))
		}
	})
}

// The time that is left is bounded, however late the end of the call is.
func TestLeft(t *testing.T) {
	for name, test := range map[string]struct{ limit, want time.Duration }{
		"no limit":      {0, time.Hour},
		"a short one":   {time.Minute, 58500 * time.Millisecond},
		"a long one":    {2 * time.Hour, time.Hour},
		"the last time": {math.MaxInt64, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			if test.limit > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), test.limit)
			}
			defer cancel()
			if got := deadline.New(ctx).Left(time.Hour); got != test.want {
				t.Errorf("%s: %v, want %v", name, got, test.want)
			}
		})
	}
}

// A call that outlives its caller admits nothing more, and what is in flight has ten seconds, or until the deadline.
func TestOutlive(t *testing.T) {
	for name, test := range map[string]struct{ limit, alive time.Duration }{
		"without a limit":  {0, 10 * time.Second},
		"with a long one":  {time.Hour, 10 * time.Second},
		"with a short one": {5 * time.Second, 4 * time.Second}, // the caller goes after a second
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancel(t.Context())
				if test.limit > 0 {
					ctx, leave = context.WithTimeout(t.Context(), test.limit)
				}
				defer leave()
				budget, alive, cancel := deadline.New(ctx).Outlive(ctx)
				defer cancel()
				admit, cancelAdmit := budget.Admit(alive)
				defer cancelAdmit()
				time.Sleep(time.Second)
				synctest.Wait()
				if alive.Err() != nil || admit.Err() != nil {
					t.Fatalf("before the caller has gone: %v, %v", alive.Err(), admit.Err())
				}
				leave()
				synctest.Wait()
				if alive.Err() != nil || !errors.Is(context.Cause(admit), deadline.ErrInterrupted) {
					t.Errorf("after the caller has gone: %v, %v", alive.Err(), context.Cause(admit))
				}
				gone := time.Now()
				<-alive.Done()
				if took := time.Since(gone); took != test.alive {
					t.Errorf("what is in flight had %v, want %v", took, test.alive)
				}
			})
		})
	}
}

// A call that begins within the work of another has its time: no margin counts twice.
func TestBudgetOfABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		budget := deadline.New(ctx)
		work, cancelWork := budget.Work(ctx)
		defer cancelWork()
		if again := deadline.New(work); again != budget {
			t.Errorf("%+v, want %+v", again, budget)
		}
		shorter, cancelShorter := context.WithTimeout(work, time.Second)
		defer cancelShorter()
		if again := deadline.New(shorter); again == budget {
			t.Error("a shorter limit does not count")
		}
	})
}
