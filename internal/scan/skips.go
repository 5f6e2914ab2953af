package scan

import (
	"context"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// A scheduled scan writes an index of its candidates. The next scans skip a candidate that was not
// written since and has nothing due, under the same policy, for as long as fullEvery.

// skips has the candidates that a scheduled scan skips, and those that the next one may skip. The zero value
// skips nothing.
type skips struct {
	// known is the index of earlier scans. finds collects the entries of this scan. Both are nil
	// for a scan that is not scheduled.
	known *index.Generation
	finds *index.Finds
	// Skipped counts the candidates that were skipped. skippedLive counts their live media.
	Skipped, skippedLive int
	// rediscovered counts media that were found by their IDs, and whose objects the sources may name.
	// ofObjects has their objects with the media IDs, if any candidate was skipped.
	rediscovered int
	ofObjects    extsort.Sorter
}

// openIndex opens the index of earlier scans, and starts to collect entries for the next.
func (c *scan) openIndex() {
	since := c.Policy.FullEvery.Began(c.report.AsOf, c.Policy.Timezone)
	c.known, c.finds = index.Open(c.admit, c.Store, c.report.Policy, c.report.AsOf, since, c.Log.Warn), &index.Finds{}
}

// splits returns names at which a listing may be parted.
func (s *skips) splits() []string {
	if s.known == nil {
		return nil
	}
	return s.known.Splits()
}

// WriteIndex writes the next generation of the index.
func (s *skips) WriteIndex(ctx context.Context, now time.Time, run string) error {
	if s.finds == nil {
		return nil
	}
	return s.finds.Write(ctx, s.known, now, run)
}

// close frees the memory and the temporary files.
func (s *skips) close() {
	s.ofObjects.Close()
	if s.finds != nil {
		s.finds.Close()
	}
}

// live returns the number of live media that were skipped, without those that were found by their IDs.
func (s *skips) live() int { return max(0, s.skippedLive-s.rediscovered) }

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

// skip skips a candidate. It counts one live medium of it: the guard must not count more than the inventory names.
func (c *scan) skip(candidate inventory.Candidate, entries []index.Entry) {
	c.cursor.skip(candidate)
	c.Skipped++
	live := 0
	for _, e := range entries {
		if isLive(e) {
			live = 1
			c.countSkipped(candidate, e.Due)
		}
	}
	c.skippedLive += live
}

// isLive reports whether the index counts a live medium with an entry.
func isLive(e index.Entry) bool { return e.Medium && !e.Elsewhere }

// addToIndex adds a finding to the index. elsewhere says that the index has the finding's medium by its object.
func (c *scan) addToIndex(f *finding, elsewhere bool) {
	if c.finds == nil || f.isStray() {
		return
	}
	isMedium := f.mediaID != "" && f.verdict != retention.Absent
	c.finds.Add(index.Entry{Name: f.name, Modified: f.modified, Due: f.due, Medium: isMedium, Elsewhere: elsewhere})
	id := inventory.Candidate{MediaID: f.mediaID}.Name()
	if isMedium && c.sources.hasIDs && f.name != id && f.verdict != retention.Unknown { // a list may name the ID too
		c.finds.Add(index.Entry{Name: id, Due: f.due, Medium: true, Elsewhere: true})
	}
}

// A list may begin to name the ID of a medium whose object the index skips. Such a medium counts once,
// by its object.

// rediscover adds a medium. All objects have been taken before the first ID is.
func (c *scan) rediscover(m *media.Medium) {
	c.rediscovered++
	if c.Skipped == 0 {
		return
	}
	if err := c.ofObjects.Add(inventory.Candidate{Object: m.Object}.Name(), []byte(m.ID)); err != nil {
		c.fail(err)
	}
}

// skippedIDs sorts the IDs of rediscovered media whose objects were skipped. The caller must close them.
func (c *scan) skippedIDs() (ids extsort.Sorter, err error) {
	isSkipped := func(e index.Entry) bool { return isLive(e) && e.Due > c.report.AsOf.Unix() }
	for record, err := range c.ofObjects.All() {
		if err == nil && slices.ContainsFunc(c.known.Find(c.admit, record.Name), isSkipped) {
			err = ids.Add(string(record.Rest), nil)
		}
		if err != nil {
			ids.Close()
			return extsort.Sorter{}, err
		}
	}
	return ids, nil
}
