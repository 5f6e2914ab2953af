package scan

import (
	"context"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Names reports whether the scan's sources name a medium. Only a medium of a checkpoint may be
// one that they do not name.
func (f *Found) Names(m *media.Medium) bool {
	return !f.resumed.isResumed() || f.resumed.covers(m.Object, m.ID)
}

// Named returns the names of the policy's inventory, to check media of a saved plan. It reads the
// lists if listed is true. A list that cannot be read names nothing.
func (s *Scanner) Named(ctx, admit context.Context, listed bool) *Found {
	c := s.begin(ctx, admit, &trigger.Request{}, &report.Report{}, false, func(int) {})
	c.pool = newPool(ctx, admit, s)
	defer c.pool.close()
	c.resumed = resumed{names: []map[uint64]struct{}{{}}, prefixes: s.Policy.Inventory.Prefixes}
	if listed {
		c.sources.prefixes, c.sources.lists = s.inventorySources()
		c.gather(func(_ inventory.Candidate, err error) bool {
			s.Log.Warn("source not read: its media are left to the next sweep", "error", err.Error())
			return true
		})
	}
	return c.Found
}

// Live returns a lower and an upper bound of the number of live media, including those that the
// index skipped. It bounds the claim of a checkpoint by the number of candidates that the sources name.
func (s *Scanner) Live(ctx context.Context, f *Found, counts *report.Counts) (live, most int, err error) {
	live = counts.Looked - counts.Absent + f.live()
	if !f.resumed.isResumed() || s.Policy.Guard.MaxPercent >= 100*policy.OnePercent || counts.Expired == 0 {
		return live, live, nil
	}
	names, err := s.countNamed(ctx, f)
	if err != nil {
		return 0, 0, fmt.Errorf("count the candidates: %w", err)
	}
	own := max(0, live-f.resumed.claimed)
	return min(live, own+min(f.resumed.claimed, names)), own + max(f.resumed.claimed, names), nil
}

// countNamed counts the candidates of the sources, up to the last of the checkpoint. If a
// listing fails, it counts the objects before the failure.
func (s *Scanner) countNamed(ctx context.Context, f *Found) (count int, err error) {
	var listed candidates
	if !f.head.Sorted && len(f.resumed.prefixes) > 0 { // else the gathered objects are all
		listed = inventory.OfPrefixes(ctx, s.Objects, unique(f.resumed.prefixes), "", f.splits())
	}
	for _, all := range []candidates{f.gathered.Objects(listed, ""), f.gathered.IDs("")} {
		for candidate, err := range all {
			if deadline.Passed(err) {
				return 0, err
			}
			if err == nil && candidate.Name() > f.resumed.upTo {
				break
			}
			if err == nil {
				count++
			}
		}
	}
	return count, ctx.Err()
}
