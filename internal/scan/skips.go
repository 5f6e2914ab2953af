package scan

import (
	"context"
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
	asOf  int64 // in seconds since 1970
	// Passed counts the candidates that were skipped. passedLive counts their live media.
	Passed, passedLive int
	// rediscovered counts media that were found by their IDs, and whose objects the sources may name.
	// ofObjects has their objects with the media IDs, if any candidate was skipped.
	rediscovered int
	ofObjects    extsort.Sorter
}

// openIndex opens the index of earlier scans, and starts to collect entries for the next.
func (c *scan) openIndex(ctx context.Context) {
	since := c.Policy.FullEvery.Began(c.report.AsOf, c.Policy.Timezone)
	c.asOf = c.report.AsOf.Unix()
	c.known, c.finds = index.Open(ctx, c.Store, c.report.Policy, c.report.AsOf, since, c.Log.Warn), &index.Finds{}
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
func (s *skips) live() int { return max(0, s.passedLive-s.rediscovered) }

// isKnown returns the entries of a candidate that need not be looked up.
func (s *skips) isKnown(ctx context.Context, candidate inventory.Candidate) (entries []index.Entry, known bool) {
	if s.finds == nil || candidate.Lead {
		return nil, false
	}
	entries = s.known.Find(ctx, candidate.Name())
	for _, e := range entries {
		if e.Modified != candidate.Modified || e.Due <= s.asOf {
			return nil, false
		}
	}
	return entries, len(entries) > 0
}

// pass counts a skipped candidate, and one live medium of it: the guard must not count more than the
// inventory names. pass returns when the live media are due.
func (s *skips) pass(entries []index.Entry) (due []int64) {
	s.Passed++
	for _, e := range entries {
		if e.Medium && !e.Elsewhere {
			due = append(due, e.Due)
		}
	}
	s.passedLive += min(1, len(due))
	return due
}

// add adds a finding to the index. elsewhere says that the index has the finding's medium by its object.
// byID says that a list may name the ID of the medium too: the index then skips the ID.
func (s *skips) add(f *finding, elsewhere, byID bool) {
	if s.finds == nil || f.isStray() {
		return
	}
	isMedium := f.mediaID != "" && f.verdict != retention.Absent
	s.finds.Add(index.Entry{Name: f.name, Modified: f.modified, Due: f.due, Medium: isMedium, Elsewhere: elsewhere})
	id := inventory.Candidate{MediaID: f.mediaID}.Name()
	if isMedium && byID && f.name != id && f.verdict != retention.Unknown {
		s.finds.Add(index.Entry{Name: id, Due: f.due, Medium: true, Elsewhere: true})
	}
}

// A list may begin to name the ID of a medium whose object the index skips. Such a medium counts once,
// by its object.

// rediscover adds a medium. All objects have been taken before the first ID is. Its error is a *extsort.Error.
func (s *skips) rediscover(m *media.Medium) error {
	s.rediscovered++
	if s.Passed == 0 {
		return nil
	}
	return s.ofObjects.Add(inventory.Candidate{Object: m.Object}.Name(), []byte(m.ID))
}

// skippedIDs sorts the IDs of rediscovered media whose objects were skipped. The caller must close them.
func (s *skips) skippedIDs(ctx context.Context) (ids extsort.Sorter, err error) {
	for record, err := range s.ofObjects.All() {
		if err == nil && s.hasSkipped(ctx, record.Name) {
			err = ids.Add(string(record.Rest), nil)
		}
		if err != nil {
			ids.Close()
			return extsort.Sorter{}, err
		}
	}
	return ids, nil
}

// hasSkipped reports whether the index counts a live medium of an object, and has nothing due there.
func (s *skips) hasSkipped(ctx context.Context, name string) bool {
	for _, e := range s.known.Find(ctx, name) {
		if e.Medium && !e.Elsewhere && e.Due > s.asOf {
			return true
		}
	}
	return false
}
