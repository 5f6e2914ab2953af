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
)

// A scheduled sweep leaves what it found out about the candidates that it looked at. The
// next ones pass over one that was not written since, under the same rules, and of which
// nothing is due, until what is known of it is as old as the policy's fullEvery.

// youth is how long an object may be without a medium and get one soon.
const youth = 24 * time.Hour

// openIndex makes the run go by what earlier ones found out, and leave what it does.
func (r *run) openIndex(soft context.Context) {
	longest := r.Policy.FullEvery.After(r.asOf, r.Policy.Timezone).Sub(r.asOf) + 48*time.Hour // months differ in length
	relied := func(asOf time.Time) bool { return r.Policy.FullEvery.After(asOf, r.Policy.Timezone).After(r.asOf) }
	r.index = index.Open(soft, r.Store, r.asOf, r.reports[0].Policy, r.asOf.Add(-longest), relied, r.Log.Warn)
	r.note, r.splits = r.indexed, r.index.Splits()
	r.passOver = func(c inventory.Candidate) (int, bool) { return r.isKnown(soft, c) }
}

// isKnown reports whether a candidate need not be looked at, and whether it has a live
// medium: 1 or 0, since the guard must not count more than the inventory names. It is
// called by one goroutine, without the mutex.
func (r *run) isKnown(ctx context.Context, c inventory.Candidate) (live int, known bool) {
	entries := r.index.Find(ctx, c.Name())
	for _, e := range entries {
		if e.Modified != c.Modified || e.Due <= r.asOf.Unix() {
			return 0, false
		}
		if e.Medium && !e.Elsewhere {
			live = 1
		}
	}
	return live, len(entries) > 0
}

// population returns how many live media were passed over, and met nowhere else.
func (r *run) population() int {
	return max(0, r.listing.live-r.listing.met)
}

// tellOfKnown says in a report what was not looked at.
func (r *run) tellOfKnown(one *report.Report) {
	if r.listing.passed > 0 {
		one.Notes = append(one.Notes, fmt.Sprintf("%d objects and media are as an earlier sweep found them, with nothing due: they were not looked at", r.listing.passed))
	}
}

// indexed notes what was found out about a candidate: a medium, or none. The mutex is
// held.
func (r *run) indexed(c inventory.Candidate, m *media.Medium) {
	e := index.Entry{Name: c.Name(), Modified: c.Modified, Due: index.Never}
	if m == nil && c.MediaID == "" && (c.Modified == 0 || r.asOf.Unix()-c.Modified < int64(youth.Seconds())) {
		e.Due = 0 // as nobody says that it is older
	}
	if m != nil {
		facts := r.facts(m)
		facts.NotLatest = true
		known := facts // a medium that is dated ahead is ranked when its time comes
		known.AsOf = retention.WhenKnown(m, r.asOf)
		verdict := retention.Decide(r.Policy, m, facts).Verdict
		e.Medium = verdict != retention.Absent
		switch due, _, ok := retention.Due(r.Policy, m, facts); {
		case verdict == retention.Unknown: // perhaps it only is not told yet
			e.Due = 0
		case retention.IsRanked(r.Policy, m, known), facts.Mark.Kind == retention.Unverified, facts.Mark.Kind == retention.Restored:
			e.Due = 0 // its verdict hangs on others, or on what ends: it is looked at every time
		case ok:
			e.Due = due.Unix()
		}
	}
	r.index.Add(e)
	if m != nil && m.Doubt == "" && c.MediaID == "" && r.listing.seen != nil {
		// Its ID may be named too: that need not be asked for either.
		e.Name, e.Modified, e.Elsewhere = inventory.Candidate{MediaID: m.ID}.Name(), 0, true
		r.index.Add(e)
	}
}

// writeIndex leaves what was found out to the next runs.
func (r *run) writeIndex(ctx context.Context, whole bool) {
	r.index.Write(ctx, r.Now(), r.reports[0].Run, whole)
}

func (r *run) closeIndex() {
	if r.index != nil {
		r.index.Close()
	}
}
