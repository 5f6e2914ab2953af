package scan

import (
	"context"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// rankAndCount ranks the findings, counts them, and adds them to the index. It counts the live media.
func (c *scan) rankAndCount(ctx context.Context) error {
	if err := c.Draft.rank(c.Policy, c.Head.AsOf); err != nil {
		return err
	}
	if c.Draft.resumed {
		c.Origin.ranker = c.Draft.ranker
	}
	skipped, err := c.skips.skippedIDs(c.admit, c.Head.AsOf)
	if err != nil {
		return err
	}
	defer skipped.Close()
	findSkipped, done := extsort.Finder(skipped.All())
	defer done()
	for f, err := range c.Draft.ranked() {
		elsewhere := false
		if err == nil && f.mediaID != "" {
			_, elsewhere, err = findSkipped(f.mediaID)
		}
		if err != nil {
			return err
		}
		f.count(&c.Tally)
		if f.contradicted && !f.uncounted {
			c.Log.Warn("kept as unknown", "mediaId", f.mediaID, "reason", contradictory)
		}
		c.skips.add(f, elsewhere, c.sources.hasIDs)
		if !elsewhere {
			c.decider.upcoming.countDue(f, c.Draft.ranker)
		}
	}
	c.Counts.Pending = c.Counts.Expired
	if c.End() != nil {
		return nil
	}
	if c.Draft.ranker.IsWhole() {
		c.Due = c.decider.upcoming.due()
	}
	c.Live, c.MostLive, err = c.countLive(ctx)
	return err
}

// countLive returns a lower and an upper bound of the number of live media, including those that the
// index skipped. It bounds the claim of a checkpoint by the number of candidates that the sources name.
func (c *scan) countLive(ctx context.Context) (live, most int, err error) {
	live = c.Counts.Looked - c.Counts.Absent + c.skips.live()
	if !c.Origin.isHint || c.Policy.Guard.MaxPercent >= 100*policy.OnePercent || c.Counts.Expired == 0 {
		return live, live, nil
	}
	names, err := c.countNamed(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("count the candidates: %w", err)
	}
	own := max(0, live-c.Origin.claim.live)
	return min(live, own+min(c.Origin.claim.live, names)), own + max(c.Origin.claim.live, names), nil
}

// countNamed counts the candidates of the sources, up to the last of the checkpoint. If a
// listing fails, it counts the objects before the failure.
func (c *scan) countNamed(ctx context.Context) (count int, err error) {
	listed := c.list(ctx, unique(c.Origin.prefixes), "")
	for _, all := range []candidates{c.sources.gathered.Objects(listed, ""), c.sources.gathered.IDs("")} {
		for candidate, err := range all {
			if deadline.Passed(err) {
				return 0, err
			}
			if err == nil && candidate.Name() > c.Origin.claim.upTo {
				break
			}
			if err == nil {
				count++
			}
		}
	}
	return count, ctx.Err()
}
