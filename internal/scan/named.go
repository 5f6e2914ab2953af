package scan

import (
	"context"
	"fmt"
	"maps"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// resumed holds what a resumed scan read from a checkpoint. It is only a hint: candidates must be
// named by the sources, media are read again before their deletion, and the guard counts the
// sources itself. The zero value belongs to a scan that was not resumed.
type resumed struct {
	// names are hashes of the names in lists and workflows of the sources.
	names map[uint64]struct{}
	// claimed is the number of live media in the checkpoint, up to the candidate upTo.
	claimed  int
	upTo     string
	prefixes []media.Object // of the sources
}

func (r *resumed) isResumed() bool { return r.names != nil }

func (r *resumed) hasName(c inventory.Candidate) bool {
	_, ok := r.names[inventory.Hash(c.Name())]
	return ok
}

// covers reports whether the sources name a medium, by a prefix of its object or in a list.
func (r *resumed) covers(object media.Object, id string) bool {
	return policy.Inventory{Prefixes: r.prefixes}.Covers(object) ||
		r.hasName(inventory.Candidate{Object: object}) || id != "" && r.hasName(inventory.Candidate{MediaID: id})
}

// Newest returns the newest media of a medium's groups, according to a checkpoint. Callers must
// read them again before they rely on them.
func (f *Found) Newest(rank retention.Rank) []string {
	if !f.Draft.resumed {
		return nil
	}
	return f.Draft.ranker.Newest(rank)
}

// Names reports whether the scan's sources name a medium. Only a medium of a checkpoint may be
// one that they do not name.
func (f *Found) Names(m *media.Medium) bool {
	return !f.resumed.isResumed() || f.resumed.covers(m.Object, m.ID)
}

// Named returns the names of the policy's inventory, to check media of a saved plan. It reads the
// lists if listed is true. A list that cannot be read names nothing.
func (s *Scanner) Named(ctx, admit context.Context, listed bool) *Found {
	c := s.newScan(ctx, admit, &trigger.Request{}, &report.Report{}, false)
	defer c.pool.close()
	c.resumed = resumed{names: map[uint64]struct{}{}, prefixes: s.Policy.Inventory.Prefixes}
	if listed {
		c.sources.prefixes, c.sources.lists = s.inventorySources()
		c.gather()
	}
	for _, failure := range c.report.Failures {
		s.Log.Warn("source not read: its media are left to the next sweep", "error", failure.Message)
	}
	if err := c.End(); err != nil {
		s.Log.Warn("sources not read: the media that only lists name are left to the next sweep", "error", err.Error())
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
	if !f.sorted && len(f.resumed.prefixes) > 0 { // else the gathered objects are all
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

// dropUnnamed reads the names that the lists gathered, and drops pending candidates that the sources do not name.
func (c *scan) dropUnnamed() {
	for _, all := range []candidates{c.gathered.Objects(nil, ""), c.gathered.IDs("")} {
		for candidate, err := range all {
			if err != nil {
				c.fail(err)
				return
			}
			c.resumed.names[inventory.Hash(candidate.Name())] = struct{}{}
		}
	}
	maps.DeleteFunc(c.cursor.open, func(_ string, open pending) bool { return !c.resumed.covers(open.Object, open.MediaID) })
}
