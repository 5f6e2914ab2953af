package sweep_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/report"
)

// mistaken is a library whose code has a mistake somewhere.
type mistaken struct {
	*mps.Session
	in    string
	after *atomic.Int32
}

func (m mistaken) mistake(in string) {
	if in == m.in && m.after.Add(-1) < 0 {
		var none []int
		_ = none[len(in)]
	}
}

func (m mistaken) Permit(ctx context.Context, op mps.Operation) (mps.Permit, error) {
	m.mistake("turn of " + string(op))
	return m.Session.Permit(ctx, op)
}

func (m mistaken) Probe(ctx context.Context, ids []string) (mps.Found, error) {
	m.mistake("recall")
	return m.Session.Probe(ctx, ids)
}

// A mistake of this program fails its run, which says where, and nothing else.
func TestAMistakeFailsTheRun(t *testing.T) {
	for _, in := range []string{"turn of QueryMediaList", "turn of DeleteMedia", "recall", "the store"} {
		for _, after := range []int32{0, 1} {
			t.Run(in, func(t *testing.T) {
				t.Parallel()
				turnClock(t, func(t *testing.T) {
					e, ids := library(t, emulator.MPSOptions{}, 45)
					left := &atomic.Int32{}
					left.Store(after)
					whenPlanned := func() error {
						if in == "the store" {
							panic("no store")
						}
						return nil
					}
					r := runWith(context.Background(), t, e, time.Now, whenPlanned, timerOf(ids), func(l *mps.Session) fullLibrary { return mistaken{l, in, left} })
					if r.Status == report.Done || r.Status == report.Blocked || !strings.Contains(r.Error, "internal error") || !strings.Contains(r.Error, "sweep_test") {
						t.Errorf("%s, %q, %+v", r.Status, r.Error, r.Counts)
					}
					if c := r.Counts; c.Expired != c.Deleted+c.Gone+c.Failed+c.Unverified+c.Pending+c.Announced {
						t.Errorf("%+v", c)
					}
				})
			})
		}
	}
}
