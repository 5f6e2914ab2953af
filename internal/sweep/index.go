package sweep

import (
	"context"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// A scheduled sweep leaves what it found out about the candidates that it looked at. The
// next ones pass over one that was not written since, under the same rules, and of which
// nothing is due, until what is known of it is as old as the policy's fullEvery.

// youth is how long an object may be without a medium and get one soon.
const youth = 24 * time.Hour

// known is what a scheduled run goes by. Nil knows nothing.
type known struct {
	index *index.Index
	// The mutex of the run guards these: what was passed over.
	candidates, live int
}

// openIndex makes the run go by what earlier ones found out, and leave what it does.
func (r *run) openIndex(ctx, soft context.Context) {
	if r.known == nil { // not of a look that is carried on
		r.known = &known{}
	}
	longest := r.Policy.FullEvery.After(r.asOf, r.Policy.Timezone).Sub(r.asOf) + 48*time.Hour // months differ in length
	relied := func(asOf time.Time) bool { return r.Policy.FullEvery.After(asOf, r.Policy.Timezone).After(r.asOf) }
	r.known.index = index.Open(ctx, r.Store, r.asOf, r.reports[0].Policy, r.asOf.Add(-longest), relied, r.Log.Warn)
	r.note, r.splits = r.indexed, r.known.index.Splits()
	r.passOver = func(c inventory.Candidate) bool { return r.isKnown(soft, c) }
}

// isKnown reports whether a candidate need not be looked at, and counts it. It is called
// by one goroutine, without the mutex.
func (r *run) isKnown(ctx context.Context, c inventory.Candidate) bool {
	entries := r.known.index.Find(ctx, c.Name())
	for _, e := range entries {
		if e.Modified != c.Modified || e.Due <= r.asOf.Unix() {
			return false
		}
	}
	if len(entries) == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.candidates++
	for _, e := range entries {
		if e.Medium && !e.Elsewhere {
			r.known.live++
		}
	}
	return true
}

// population returns how many live media were passed over, and met nowhere else.
func (r *run) population() int {
	if r.known == nil {
		return 0
	}
	return r.known.live - r.listing.met
}

// tellOfKnown says in a report what was not looked at.
func (r *run) tellOfKnown(one *report.Report) {
	if r.known != nil && r.known.candidates > 0 {
		one.Notes = append(one.Notes, fmt.Sprintf("%d objects and media are as an earlier sweep found them, with nothing due: they were not looked at", r.known.candidates))
	}
}

// indexed notes what was found out about a candidate: a medium, or none. The mutex is
// held.
func (r *run) indexed(c inventory.Candidate, m *media.Medium) {
	e := index.Entry{Name: c.Name(), Modified: c.Modified, Due: index.Never}
	if m == nil && r.asOf.Unix()-c.Modified < int64(youth.Seconds()) {
		e.Due = 0
	}
	if m != nil {
		facts := r.facts(m)
		facts.NotLatest = true
		verdict := retention.Decide(r.Policy, m, facts).Verdict
		e.Medium = verdict != retention.Absent
		switch due, _, ok := retention.Due(r.Policy, m, facts); {
		case verdict == retention.Unknown: // perhaps it only is not told yet
			e.Due = 0
		case retention.IsRanked(r.Policy, m, facts), facts.Mark == retention.Unverified, facts.Mark == retention.Restored:
			e.Due = 0 // its verdict hangs on others, or on what ends: it is looked at every time
		case ok:
			e.Due = due.Unix()
		}
	}
	r.known.index.Add(e)
	if m != nil && c.MediaID == "" && r.listing.seen != nil {
		// Its ID may be named too: that need not be asked for either.
		e.Name, e.Modified, e.Elsewhere = inventory.Candidate{MediaID: m.ID}.Name(), 0, true
		r.known.index.Add(e)
	}
}

// writeIndex leaves what was found out to the next runs.
func (r *run) writeIndex(ctx context.Context, complete bool) {
	r.known.index.Write(ctx, r.Now(), state.SafeName(r.reports[0].Run), complete)
}

func (r *run) closeIndex() {
	if r.known != nil && r.known.index != nil {
		r.known.index.Close()
	}
}
