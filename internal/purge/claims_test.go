package purge

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// Runs of one process that found the same media before one of them deleted these send each ID once.
func TestRunsShareAMedium(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*library)
		// later is the time from the first run to the others; 0 for concurrent runs.
		later time.Duration
		want  became // of all three runs
		calls int
		takes time.Duration // at most, besides later
	}{
		"concurrent":          {want: became{"deleted": 10, "gone": 20}, calls: 1},
		"with older look-ups": {later: 30 * time.Second, want: became{"deleted": 10, "gone": 20}, calls: 1},
		"the first one fails": {want: became{"failed": 10, "deleted": 10, "gone": 10}, calls: 7, takes: 7 * time.Second, prepare: func(l *library) {
			l.onDelete = func(call int, ids []string) error {
				if call <= 6 {
					return errThrottled
				}
				return l.remove(ids...)
			}
		}},
		"the first one may not delete": {want: became{"failed": 10, "deleted": 10, "gone": 10}, calls: 2, prepare: func(l *library) {
			l.onDelete = func(call int, ids []string) error {
				if call == 1 {
					return errUnauthorized
				}
				return l.remove(ids...)
			}
		}},
		"MPS still shows the media": {want: became{"unverified": 30}, calls: 1, takes: 6 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error { return nil }
		}},
		"MPS shows the deletion too late for the first one": {later: time.Second, want: became{"unverified": 10, "gone": 20}, calls: 1, takes: 5 * time.Second, prepare: func(l *library) {
			l.onDelete = func(int, []string) error {
				time.AfterFunc(5*time.Second, func() { l.mu.Lock(); defer l.mu.Unlock(); clear(l.media) })
				return nil
			}
		}},
		"MPS shows them as Initiated": {want: became{"deleted": 10, "gone": 20}, calls: 1, prepare: func(l *library) {
			l.onDelete = func(_ int, ids []string) error {
				for _, id := range ids {
					l.show(id, "Initiated")
				}
				return nil
			}
		}},
		"the claims have expired": {later: 31 * time.Second, want: became{"unverified": 10, "deleted": 10, "gone": 10}, calls: 2, takes: 3 * time.Second, prepare: func(l *library) {
			l.onDelete = func(call int, ids []string) error {
				if call == 1 {
					return nil
				}
				return l.remove(ids...)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t)
				if test.prepare != nil {
					test.prepare(l)
				}
				lines := l.fill(10)
				var mu sync.Mutex
				var group sync.WaitGroup
				claims, got, start := new(Claims), became{}, time.Now()
				for i := range 3 {
					p := l.purger(asOf, origin{})
					p.Claims = claims
					run := func() {
						all, _ := l.purge(t.Context(), t.Context(), p, lines)
						mu.Lock()
						defer mu.Unlock()
						for what, n := range all.count(len(lines)) {
							got[what] += n
						}
					}
					if group.Go(run); i == 0 && test.later > 0 {
						group.Wait()
						time.Sleep(test.later)
					} else if strings.HasPrefix(name, "the first") {
						synctest.Wait()
					}
					if test.later > 30*time.Second {
						group.Wait()
					}
				}
				group.Wait()
				if took := time.Since(start) - test.later; took > test.takes {
					t.Errorf("it took %v, at most %v", took, test.takes)
				}
				if diff := cmp.Diff(test.want, got); diff != "" || len(l.sent) != test.calls {
					t.Errorf("%d calls, outcomes (-want +got):\n%s", len(l.sent), diff)
				}
			})
		})
	}
}

// A run that waits for another one's deletion leaves its media pending when its time is up.
func TestAWaitingRunEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(10)
		p := l.purger(asOf, origin{})
		own, _, _ := p.Claims.claim(lines[:1], time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		all, err := l.purge(ctx, ctx, p, lines)
		if diff := cmp.Diff(became{"deleted": 9, "pending": 1}, all.count(len(lines))); err != nil || diff != "" {
			t.Errorf("%v, outcomes (-want +got):\n%s", err, diff)
		}
		p.Claims.release(own, time.Now())
		all, err = l.purge(t.Context(), t.Context(), p, lines[:1])
		if diff := cmp.Diff(became{journal.Deleted: 1}, all.count(1)); err != nil || diff != "" {
			t.Errorf("released without a deletion: %v, outcomes (-want +got):\n%s", err, diff)
		}
	})
}

// Media that leave a batch before it is sent are replaced: another run has claimed them, or they have not expired
// any more.
func TestBatchesAreFull(t *testing.T) {
	for name, prepare := range map[string]func(*library, *Purger, []plan.Line){
		"another run deletes every tenth medium": func(l *library, p *Purger, lines []plan.Line) {
			for i := 0; i < len(lines); i += 10 {
				own, _, _ := p.Claims.claim(lines[i:i+1], time.Now())
				time.AfterFunc(time.Minute, func() {
					l.mu.Lock()
					defer l.mu.Unlock()
					_ = l.remove(lines[i].MediaID)
					own.took[lines[i].MediaID] = true
					p.Claims.release(own, time.Now())
				})
			}
		},
		"every tenth medium is gone when it is read again": func(l *library, _ *Purger, lines []plan.Line) {
			for i := range lines {
				if lines[i].ReadAt -= int64(2 * time.Hour / time.Second); i%10 == 0 {
					_ = l.remove(lines[i].MediaID)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t)
				lines, p := l.fill(1005), l.purger(asOf, origin{})
				prepare(l, p, lines)
				all, err := l.purge(t.Context(), t.Context(), p, lines)
				if diff := cmp.Diff(became{"deleted": 904, "gone": 101}, all.count(len(lines))); err != nil || diff != "" {
					t.Errorf("%v, outcomes (-want +got):\n%s", err, diff)
				}
				for i, ids := range l.sent {
					if len(ids) != mps.MaxBatch && i < len(l.sent)-1 {
						t.Errorf("call %d of %d has %d media", i+1, len(l.sent), len(ids))
					}
				}
			})
		})
	}
}

// Runs of the same media in any order end, send each medium once, and send few batches that are not full.
func TestRunsOfTheSameMedia(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			const runs = 4
			random := rand.New(rand.NewPCG(seed, 5))
			l, claims, sent := newLibrary(t), new(Claims), map[string]bool{}
			l.permits = func() error { time.Sleep(rand.N(10 * time.Second)); return nil }
			l.onDelete = func(_ int, ids []string) error {
				for _, id := range ids {
					if sent[id] {
						t.Errorf("seed %d: %s is sent twice", seed, id)
					}
					sent[id] = true
				}
				return l.remove(ids...)
			}
			lines := l.fill(1 + random.IntN(4000))
			var group sync.WaitGroup
			for range runs {
				own := slices.Clone(lines)
				random.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
				p := l.purger(asOf, origin{})
				p.Claims = claims
				group.Go(func() {
					all, err := l.purge(t.Context(), t.Context(), p, own)
					if count := all.count(len(own)); err != nil || count["deleted"]+count["gone"] != len(own) {
						t.Errorf("seed %d: %v, %v", seed, err, count)
					}
				})
			}
			group.Wait()
			short := 0
			for _, ids := range l.sent {
				if len(ids) < mps.MaxBatch {
					short++
				}
			}
			if len(sent) != len(lines) || short > runs {
				t.Errorf("seed %d: %d of %d media are sent, %d calls of %d are not full", seed, len(sent), len(lines), short, len(l.sent))
			}
		})
	}
}
