package scan

import (
	"context"
	"time"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// A scheduled scan writes an index of its candidates. The next scans skip a candidate that was not
// written since and has nothing due, under the same policy, for as long as fullEvery.

// youth is the age up to which an object without a medium may soon get one.
const youth = 24 * time.Hour

// openIndex opens the index of earlier scans, and starts to collect entries for the next.
func (c *scan) openIndex(ctx context.Context) {
	since := c.Policy.FullEvery.Began(c.report.AsOf, c.Policy.Timezone)
	c.known, c.finds = index.Open(ctx, c.Store, c.report.Policy, c.report.AsOf, since, c.Log.Warn), &index.Finds{}
	c.splits = c.known.Splits()
}

// WriteIndex writes the next generation of the index.
func (f *Found) WriteIndex(ctx context.Context, now time.Time, run string) error {
	if f.finds == nil {
		return nil
	}
	return f.finds.Write(ctx, f.known, now, run)
}

// isKnown returns the entries of a candidate that need not be looked up.
func (c *scan) isKnown(candidate inventory.Candidate) (entries []index.Entry, known bool) {
	if c.finds == nil || candidate.Lead {
		return nil, false
	}
	entries = c.known.Find(c.admit, candidate.Name())
	for _, e := range entries {
		if e.Modified != candidate.Modified || e.Due <= c.report.AsOf.Unix() {
			return nil, false
		}
	}
	return entries, len(entries) > 0
}

// passOver counts a candidate that the index skips, and its live media. Known counts one of
// these: the guard must not count more than the inventory names.
func (c *scan) passOver(candidate inventory.Candidate, entries []index.Entry) {
	live := 0
	for _, e := range entries {
		if e.Medium && !e.Elsewhere {
			live = 1
			c.countSkipped(candidate, e.Due)
		}
	}
	c.Passed++
	c.Known += live
}

// dueWithoutMedium returns when an object without a medium is looked up again.
func (c *scan) dueWithoutMedium(candidate inventory.Candidate) int64 {
	if candidate.Modified == 0 || c.report.AsOf.Unix()-candidate.Modified < int64(youth.Seconds()) {
		return 0
	}
	return index.Never
}

// dueOf returns when a medium is looked up again.
func (c *scan) dueOf(m *media.Medium, facts retention.Facts, verdict retention.Verdict) int64 {
	if c.finds == nil {
		return 0
	}
	if facts.Mark.Hold != nil || facts.Mark.MayHold != nil { // a release is no reason to look, so that a hold must not count
		facts.Mark = facts.Mark.Unheld()
		verdict = retention.Decide(c.Policy, m, facts).Verdict
	}
	known := facts // a medium with a future CreationTime is ranked from then on
	known.AsOf = retention.WhenKnown(m, facts.AsOf)
	switch due, _, ok := retention.Due(c.Policy, m, facts); {
	case verdict == retention.Unknown: // the record may be complete the next time
		return 0
	case retention.IsRanked(c.Policy, m, known), facts.Mark.Kind == retention.Unverified, facts.Mark.Kind == retention.Restored:
		return 0 // its verdict depends on others, or on a hold that ends
	case ok:
		return due.Unix()
	}
	return index.Never
}

// index adds a finding to the index. elsewhere says that the index has the finding's medium by its object.
func (c *scan) index(f *finding, elsewhere bool) {
	if c.finds == nil || f.isStray() {
		return
	}
	isMedium := f.mediaID != "" && f.verdict != retention.Absent
	c.finds.Add(index.Entry{Name: f.name, Modified: f.modified, Due: f.due, Medium: isMedium, Elsewhere: elsewhere})
	byID := inventory.Candidate{MediaID: f.mediaID}
	if isMedium && c.sources.hasIDs && f.name != byID.Name() && f.verdict != retention.Unknown {
		// A list may name its ID too. The index then skips the ID.
		c.finds.Add(index.Entry{Name: byID.Name(), Due: f.due, Medium: true, Elsewhere: true})
	}
}
