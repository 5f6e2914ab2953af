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
	since := c.Policy.FullEvery.Began(c.Head.AsOf, c.Policy.Timezone)
	c.skips.known = index.Open(c.admit, c.Store, c.Policy.Digest(), c.Region, c.Head.AsOf, since, c.Log.Warn)
	c.skips.finds = &index.Finds{}
}

func (s *skips) close() {
	s.ofObjects.Close()
	if s.finds != nil {
		s.finds.Close()
	}
}

// live returns the number of live media that were skipped, without those that were found by their IDs.
func (s *skips) live() int { return max(0, s.skippedLive-s.rediscovered) }

// find returns the index's entries of a candidate that need not be looked up; none if it must be.
func (s *skips) find(ctx context.Context, candidate *inventory.Candidate, asOf time.Time) []index.Entry {
	if s.finds == nil || candidate.Lead {
		return nil
	}
	entries := s.known.Find(ctx, candidate.Name())
	for _, e := range entries {
		if e.Modified != candidate.Modified || e.Due <= asOf.Unix() {
			return nil
		}
	}
	return entries
}

// count counts a candidate, and one live medium of it: the guard must not count more than the inventory names.
func (s *skips) count(entries []index.Entry) {
	s.Skipped++
	if slices.ContainsFunc(entries, isLive) {
		s.skippedLive++
	}
}

// isLive reports whether the index counts a live medium with an entry.
func isLive(e index.Entry) bool { return e.Medium && !e.Elsewhere }

// add adds a finding to the index. elsewhere says that the index has the finding's medium by its object. hasIDs says that
// lists name media IDs.
func (s *skips) add(f *finding, elsewhere, hasIDs bool) {
	if s.finds == nil || f.isStray() {
		return
	}
	isMedium := f.mediaID != "" && f.verdict != retention.Absent
	s.finds.Add(index.Entry{Name: f.name, Modified: f.modified, Due: f.due, Medium: isMedium, Elsewhere: elsewhere})
	id := inventory.Candidate{MediaID: f.mediaID}.Name()
	if isMedium && hasIDs && f.name != id && f.verdict != retention.Unknown { // a list may name the ID too
		s.finds.Add(index.Entry{Name: id, Due: f.due, Medium: true, Elsewhere: true})
	}
}

// A list may begin to name the ID of a medium whose object the index skips. Such a medium counts once,
// by its object.

// rediscover adds a medium. All objects have been taken before the first ID is. Its error is extsort.ErrFile.
func (s *skips) rediscover(m *media.Medium) error {
	s.rediscovered++
	if s.Skipped == 0 {
		return nil
	}
	return s.ofObjects.Add(inventory.Candidate{Object: m.Object}.Name(), []byte(m.ID))
}

// skippedIDs sorts the IDs of rediscovered media whose objects were skipped. The caller must close them.
func (s *skips) skippedIDs(ctx context.Context, asOf time.Time) (ids extsort.Sorter, err error) {
	isSkipped := func(e index.Entry) bool { return isLive(e) && e.Due > asOf.Unix() }
	for record, err := range s.ofObjects.All() {
		if err == nil && slices.ContainsFunc(s.known.Find(ctx, record.Name), isSkipped) {
			err = ids.Add(string(record.Rest), nil)
		}
		if err != nil {
			ids.Close()
			return extsort.Sorter{}, err
		}
	}
	return ids, nil
}
