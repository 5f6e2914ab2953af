package purge

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/task"
)

var asOf = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)

type became = map[journal.Became]int

// What a call answers, and what is read afterwards, says what became of each medium.
func TestWhatBecameOfMedia(t *testing.T) {
	for name, test := range map[string]struct {
		media   int
		prepare func(l *library)
		want    became
		calls   int // of DeleteMedia
		failed  error
		takes   time.Duration // at most
	}{
		"success":        {media: 25, want: became{"deleted": 25}, calls: 3},
		"nothing at all": {},
		"the answer is lost and the call took effect": {media: 10, calls: 1, want: became{"deleted": 10}, prepare: func(l *library) {
			l.onDelete = func(_ int, ids []string) error { _ = l.remove(ids...); return errLost }
		}},
		"the answer is lost and the call took effect for some": {media: 10, calls: 2, want: became{"deleted": 10}, takes: 4 * time.Second, prepare: func(l *library) {
			l.onDelete = func(call int, ids []string) error {
				if call == 1 {
					_ = l.remove(ids[:4]...)
					return errLost
				}
				return l.remove(ids...)
			}
		}},
		"every answer is lost": {media: 10, calls: mps.MaxTries, want: became{"failed": 10}, takes: 40 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return errLost }
		}},
		"throttled at first": {media: 10, calls: 3, want: became{"deleted": 10}, takes: 2 * time.Second, prepare: func(l *library) {
			l.onDelete = func(call int, ids []string) error {
				if call < 3 {
					return errThrottled
				}
				return l.remove(ids...)
			}
		}},
		"throttled for good": {media: 10, calls: mps.MaxTries, want: became{"failed": 10}, takes: 10 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return errThrottled }
		}},
		"throttled, and enough repeated": {media: 10, calls: 1, want: became{"failed": 10}, prepare: func(l *library) {
			l.onDelete, l.backoff = func(int, []string) error { return errThrottled }, errEnough
		}},
		"one is rejected": {media: 10, calls: 9, want: became{"deleted": 9, "failed": 1}, takes: 4 * time.Second, prepare: func(l *library) {
			l.onDelete = func(_ int, ids []string) error {
				if slices.Contains(ids, "m003") {
					return errRejected
				}
				return l.remove(ids...)
			}
		}},
		"rejected, and some gone meanwhile": {media: 10, calls: 2, want: became{"deleted": 10}, prepare: func(l *library) {
			l.onDelete = func(call int, ids []string) error {
				if call == 1 {
					_ = l.remove(ids[0])
					return errRejected
				}
				return l.remove(ids...)
			}
		}},
		"unknown, and shown as Initiated": {media: 1, calls: 1, want: became{"gone": 1}, takes: 4 * time.Second, prepare: func(l *library) {
			m := testMedium("m000", "m000", media.StateInitiated, 400)
			l.media["m000"] = m
			l.onDelete = func(int, []string) error { return errUnknown }
		}},
		"unknown, and shown as published": {media: 1, calls: 1, want: became{"failed": 1}, takes: 4 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return errUnknown }
		}},
		"shown as Deleted": {media: 10, calls: 1, want: became{"deleted": 10}, prepare: func(l *library) {
			l.onDelete = func(_ int, ids []string) error {
				for _, id := range ids {
					l.show(id, media.StateDeleted)
				}
				return nil
			}
		}},
		"shown as Initiated from now on": {media: 10, calls: 1, want: became{"deleted": 10}, prepare: func(l *library) {
			l.onDelete = func(_ int, ids []string) error {
				for _, id := range ids {
					l.show(id, media.StateInitiated)
				}
				return nil
			}
		}},
		"shown as before": {media: 10, calls: 1, want: became{"unverified": 10}, takes: 3 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return nil }
		}},
		"slow to show it": {media: 10, calls: 1, want: became{"deleted": 10}, takes: 2 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return nil }
			l.onRead = func(_ bool, ids []string) error {
				if l.reads == 4 {
					return l.remove(ids...)
				}
				return nil
			}
		}},
		"almost too slow to show it": {media: 10, calls: 1, want: became{"deleted": 10}, takes: 3 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error {
				time.AfterFunc(2999*time.Millisecond, func() { l.mu.Lock(); defer l.mu.Unlock(); clear(l.media) })
				return nil
			}
		}},
		"lost, and slow to show it": {media: 10, calls: 1, want: became{"deleted": 10}, takes: 3 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error {
				time.AfterFunc(2*time.Second, func() { l.mu.Lock(); defer l.mu.Unlock(); clear(l.media) })
				return errLost
			}
		}},
		"lost without effect": {media: 10, calls: 2, want: became{"deleted": 10}, takes: 4 * time.Second, prepare: func(l *library) {
			l.onDelete = func(call int, ids []string) error {
				if call == 1 {
					return errLost
				}
				return l.remove(ids...)
			}
			l.onRead = func(bool, []string) error {
				if l.reads > 3 {
					t.Errorf("%d reads, want two after the lost call and one after the other", l.reads)
				}
				return nil
			}
		}},
		"shown in doubt": {media: 1, calls: 1, want: became{"unverified": 1}, takes: 3 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error {
				m := l.media["m000"]
				m.State, m.Doubt = media.StateDeleted, "MPS returned it twice with different records"
				l.media["m000"] = m
				return nil
			}
		}},
		"mentioned by no answer": {media: 10, calls: 1, want: became{"unverified": 1, "deleted": 9}, takes: 3 * time.Second, prepare: func(l *library) {
			l.silent = []string{"m003"}
		}},
		"cannot be read back": {media: 20, calls: 2, want: became{"unverified": 10, "deleted": 10}, prepare: func(l *library) {
			l.onRead = func(_ bool, ids []string) error {
				if ids[0] == "m000" {
					return &mps.Error{Kind: mps.Ambiguous, Message: "no answer"}
				}
				return nil
			}
		}},
		"nobody may delete": {media: 10, calls: 1, want: became{"failed": 10}, failed: errUnauthorized, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return errUnauthorized }
		}},
		"nobody may read back": {media: 10, calls: 1, want: became{"unverified": 10}, failed: errDenied, prepare: func(l *library) {
			l.onRead = func(bool, []string) error { return errDenied }
		}},
		"lost, and nobody may read back": {media: 10, calls: 1, want: became{"unverified": 10}, failed: errDenied, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return errLost }
			l.onRead = func(bool, []string) error { return errDenied }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t)
				lines := l.fill(test.media)
				if test.prepare != nil {
					test.prepare(l)
				}
				if m := l.media["m000"]; m.State == media.StateInitiated {
					lines[0] = lineOf(m, "rest", time.Now())
				}
				start := time.Now()
				got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
				if !errors.Is(err, test.failed) || (err == nil) != (test.failed == nil) {
					t.Errorf("the purge ended with %v, want %v", err, test.failed)
				}
				if count := got.count(len(lines)); !maps.Equal(count, test.want) {
					t.Errorf("%v, want %v", count, test.want)
				}
				if len(l.sent) != test.calls {
					t.Errorf("%d DeleteMedia calls, want %d: %v", len(l.sent), test.calls, l.sent)
				}
				if took := time.Since(start); took > test.takes {
					t.Errorf("it took %v, at most %v", took, test.takes)
				}
				for _, o := range got {
					hasCause := o.Became == journal.Failed || o.Became == journal.Unverified
					if (o.Cause != nil) != hasCause {
						t.Errorf("%s is %s because of %v", o.Line.MediaID, o.Became, o.Cause)
					}
				}
			})
		})
	}
}

// Later runs must know of media that MPS shows as new after their deletion, or shows still.
func TestTombstones(t *testing.T) {
	for name, test := range map[string]struct {
		state string
		want  bool
	}{"Initiated": {media.StateInitiated, true}, "Deleted": {media.StateDeleted, false}, "Published": {media.StatePublished, true}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t)
			lines := l.fill(1)
			l.onDelete = func(_ int, ids []string) error { l.show(ids[0], test.state); return nil }
			got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
			if o := got["m000"]; err != nil || o.Tombstone != test.want {
				t.Errorf("%s: tombstone %v, %v, %v", name, o.Tombstone, o.Became, err)
			}
		})
	}
}

// What nobody may delete stops the other batches.
func TestUnauthorizedStopsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(10 * (3 * mps.InFlight))
		l.onDelete = func(int, []string) error {
			return errUnauthorized
		}
		got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
		if count := got.count(len(lines)); !errors.Is(err, errUnauthorized) || count["failed"] != 10*len(l.sent) || len(l.sent) > mps.InFlight+1 || count["pending"] == 0 {
			t.Errorf("%v, %d calls, %v", count, len(l.sent), err)
		}
	})
}

// The last batch, which waits for the others, is not sent either: it would be sent while the first one is settled.
func TestUnauthorizedStopsTheLastBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(15)
		l.onDelete = func(int, []string) error { return errUnauthorized }
		settled := 0
		err := l.purger(asOf, origin{}).Run(t.Context(), t.Context(), sequence(lines), func(some []Outcome) {
			settled += len(some)
			time.Sleep(time.Second)
		})
		if !errors.Is(err, errUnauthorized) || settled != 10 || len(l.sent) != 1 {
			t.Errorf("%d settled, %d calls, %v", settled, len(l.sent), err)
		}
	})
}

// When the run's time is up nothing more is sent: what was not sent stays pending, and what was
// sent and cannot be read back too.
func TestTimeIsUp(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(l *library, admit, work func())
		want    became
		calls   int
	}{
		"before the first batch": {func(_ *library, admit, _ func()) { admit() }, became{"pending": 30}, 0},
		"while a batch waits for its permit": {func(l *library, admit, _ func()) {
			l.permits = func() error { admit(); return context.Canceled }
		}, became{"pending": 30}, 0},
		"between the permit and the call": {func(l *library, _, work func()) {
			l.permits = func() error { work(); return nil }
		}, became{"pending": 30}, 0},
		"after the call": {func(l *library, admit, work func()) {
			l.onDelete = func(_ int, ids []string) error { admit(); work(); return l.remove(ids...) }
		}, became{"pending": 30}, 1},
		"admitted no more, and under way": {func(l *library, admit, _ func()) {
			l.onDelete = func(_ int, ids []string) error { admit(); return l.remove(ids...) }
		}, became{"deleted": 10, "pending": 20}, 1},
		"while it is read back": {func(l *library, admit, work func()) {
			l.onDelete = func(int, []string) error { admit(); time.AfterFunc(time.Second, work); return nil }
		}, became{"pending": 30}, 1},
		"during a backoff": {func(l *library, admit, work func()) {
			l.onDelete = func(int, []string) error { admit(); time.AfterFunc(100*time.Millisecond, work); return errThrottled }
		}, became{"pending": 30}, 1},
		"after a backoff": {func(l *library, admit, _ func()) {
			l.onDelete = func(int, []string) error { admit(); return errThrottled }
		}, became{"pending": 30}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t)
				lines := l.fill(30)
				ctx, work := context.WithCancel(t.Context())
				admit, endAdmit := context.WithCancel(ctx)
				test.prepare(l, endAdmit, work)
				// One batch is under way at a time: the others see what it came to.
				var got outcomes
				one := l.purger(asOf, origin{})
				got, err := l.purge(ctx, admit, one, lines[:10])
				if err == nil {
					var more outcomes
					more, err = l.purge(ctx, admit, one, lines[10:])
					maps.Copy(got, more)
				}
				if count := got.count(len(lines)); err != nil || !maps.Equal(count, test.want) || len(l.sent) != test.calls {
					t.Errorf("%v, want %v; %d calls, %v", count, test.want, len(l.sent), err)
				}
				work()
			})
		})
	}
}

// A batch that is not full is sent when all others have been.
func TestAShortBatchIsLast(t *testing.T) {
	for range 20 { // or it would be last by chance
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t)
			lines := l.fill(53)
			l.permits = func() error { time.Sleep(rand.N(10 * time.Second)); return nil }
			got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
			if err != nil || len(got) != 53 || len(l.sent) != 6 || len(l.sent[5]) != 3 {
				t.Errorf("%d outcomes, %v: %v", len(got), err, l.sent)
			}
		})
	}
}

// An error of the lines ends the purge; what is under way is finished.
func TestLinesThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(25)
		broken := errors.New("damaged")
		n := 0
		err := l.purger(asOf, origin{}).Run(t.Context(), t.Context(), func(yield func(plan.Line, error) bool) {
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
			yield(plan.Line{}, broken)
		}, func(some []Outcome) { n += len(some) })
		if !errors.Is(err, broken) || n != 20 || len(l.sent) != 2 {
			t.Errorf("%d outcomes, %d calls, %v", n, len(l.sent), err)
		}
	})
}

// A panic of one worker ends the purge with an error, and no other outcome is lost.
func TestAPanicOfAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(100)
		l.onDelete = func(_ int, ids []string) error {
			if slices.Contains(ids, "m042") {
				panic("boom")
			}
			return l.remove(ids...)
		}
		got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
		var mistake *task.Panic
		if !errors.As(err, &mistake) || len(got)+10 > 100 {
			t.Errorf("%d outcomes, %v", len(got), err)
		}
		for _, ids := range l.sent {
			for _, id := range ids {
				if _, ok := got[id]; !ok && !slices.Contains(ids, "m042") {
					t.Errorf("%s was sent and has no outcome", id)
				}
			}
		}
	})
}

// A panic of what yields the lines ends the purge with an error, and no outcome is lost.
func TestAPanicOfTheLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(50)
		got := became{}
		err := l.purger(asOf, origin{}).Run(t.Context(), t.Context(), func(yield func(plan.Line, error) bool) {
			for _, line := range lines[:37] {
				if !yield(line, nil) {
					return
				}
			}
			time.Sleep(time.Second) // the batches are sent meanwhile
			panic("boom")
		}, func(some []Outcome) {
			for _, o := range some {
				got[o.Became]++
			}
		})
		var panicked *task.Panic
		if !errors.As(err, &panicked) || !maps.Equal(got, became{"deleted": 30}) || len(l.sent) != 3 {
			t.Errorf("%v, %v, %d calls", err, got, len(l.sent))
		}
	})
}

// After a panic of the caller, which takes no more outcomes, nothing more is sent.
func TestAPanicOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(100)
		var n atomic.Int64
		l.permits = func() error { time.Sleep(time.Duration(n.Add(1)) * time.Second); return nil }
		err := task.Do(func() error {
			return l.purger(asOf, origin{}).Run(t.Context(), t.Context(), sequence(lines), func([]Outcome) { panic("boom") })
		})
		if err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("%v", err)
		}
		if len(l.sent) > 2 {
			t.Errorf("%d calls after the panic", len(l.sent)-1)
		}
	})
}

// However the library behaves, each medium has one outcome or is pending; what is read back as
// gone is not sent again; no call has more than ten media, and none twice in one call.
func TestEveryMediumHasOneOutcome(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			l := newLibrary(t)
			lines := l.fill(1 + random.IntN(80))
			calm := random.IntN(3) == 0
			deleted := map[string]bool{}
			settled := map[string]bool{}
			l.onDelete = func(_ int, ids []string) error {
				sorted := slices.Sorted(slices.Values(ids))
				if len(slices.Compact(sorted)) != len(ids) {
					t.Errorf("a medium twice in one call: %v", ids)
				}
				for _, id := range ids {
					if settled[id] {
						t.Errorf("%s is sent after it was settled", id)
					}
				}
				part := ids[:random.IntN(len(ids)+1)]
				kind := random.IntN(12)
				if calm {
					kind = 11
				}
				switch kind {
				case 0:
					return errThrottled
				case 1:
					return errRejected
				case 2:
					return errUnknown
				case 3, 4:
					for _, id := range part {
						deleted[id] = true
					}
					_ = l.remove(part...)
					return errLost
				case 5:
					if random.IntN(10) == 0 {
						return errUnauthorized
					}
				case 6:
					for _, id := range part {
						l.show(id, []string{media.StateDeleted, media.StateInitiated, media.StatePublished}[random.IntN(3)])
					}
					return nil
				}
				for _, id := range ids {
					deleted[id] = true
				}
				return l.remove(ids...)
			}
			l.onRead = func(bool, []string) error {
				if !calm && random.IntN(15) == 0 {
					return &mps.Error{Kind: mps.Ambiguous, Message: "no answer"}
				}
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(60))*time.Second)
			defer cancel()
			unlimited := calm || random.IntN(2) == 0
			if unlimited {
				ctx = t.Context()
			}
			all := map[string]Outcome{}
			p := l.purger(asOf, origin{})
			err := p.Run(ctx, ctx, sequence(lines), func(some []Outcome) {
				for _, o := range some {
					if _, twice := all[o.Line.MediaID]; twice {
						t.Errorf("seed %d: %s is handed over twice", seed, o.Line.MediaID)
					}
					all[o.Line.MediaID] = o
					l.mu.Lock()
					settled[o.Line.MediaID] = true
					l.mu.Unlock()
				}
			})
			sent := map[string]bool{}
			for _, ids := range l.sent {
				for _, id := range ids {
					sent[id] = true
				}
			}
			for id, o := range all {
				_, live := l.media[id]
				switch {
				case !sent[id]:
					t.Errorf("seed %d: %s is %s and was not sent", seed, id, o.Became)
				case o.Became == journal.Deleted && live && l.media[id].State == media.StatePublished:
					t.Errorf("seed %d: %s counts as deleted and is there", seed, id)
				case o.Became == journal.Failed && deleted[id] && !live && o.Cause == nil:
					t.Errorf("seed %d: %s failed for no cause", seed, id)
				}
			}
			if calm && (err != nil || len(all) != len(lines)) {
				t.Errorf("seed %d: %d outcomes of %d, %v", seed, len(all), len(lines), err)
			}
			if err == nil && unlimited && len(all) != len(lines) {
				t.Errorf("seed %d: %d outcomes of %d without a limit of time", seed, len(all), len(lines))
			}
		})
	}
}
