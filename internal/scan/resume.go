package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/mediasweep/mediasweep/internal/checkpoint"
	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// resume resumes an interrupted scan of the same policy that is not older than checkpointAge. It
// logs a checkpoint that cannot be read, and tries the one before it.
func (c *scan) resume(ctx context.Context) {
	all, resumer := c.checkpointsOf(ctx)
	if all == "" {
		return
	}
	c.checkpoints = newCheckpointer(checkpoint.New(c.Store, all+state.RunName(c.Now(), c.request.Run)+"/"), resumer)
	from, to := c.Now().Add(-checkpointAge), c.Now().Add(state.ClockSkew) // one from further ahead would hide all others
	series, heads, err := checkpoint.Latest(ctx, c.Store, all, all+state.Stamp(from), all+state.Stamp(to))
	if err != nil {
		c.Log.Error("scan not resumed: starting over", "error", err.Error())
	}
	for _, number := range slices.Backward(heads) {
		head, err := c.loadHead(ctx, series, number)
		if err == nil {
			err = c.load(ctx, series, head)
		}
		switch {
		case err == nil:
			series.Resume(head.Segments)
			c.checkpoints.series = series
			c.Log.Info("resuming an interrupted scan", "after", head.After, "asOf", head.AsOf, "skipped", head.Skipped)
			return
		case errors.Is(err, errFinished), ctx.Err() != nil:
			return
		case !errors.Is(err, errOther):
			c.Log.Error("checkpoint not resumed", "folder", series.Folder(), "number", number, "error", err.Error())
		}
	}
}

// errOther: the checkpoint has another policy, region, version or time. errFinished: its scan was
// finished, but that was not recorded.
var (
	errOther    = errors.New("the checkpoint is not for this scan")
	errFinished = errors.New("the scan has been finished")
)

func (c *scan) loadHead(ctx context.Context, series *checkpoint.Series, number int) (headRecord, error) {
	data, err := series.Head(ctx, number)
	if err != nil {
		return headRecord{}, err
	}
	head, err := decodeHead(data)
	if err != nil {
		return headRecord{}, err
	}
	if head.Policy != c.Policy.Digest() || c.sources.sorted && !head.Sorted || head.Region != c.Region || head.AsOf.After(c.Now()) || c.Now().Sub(head.AsOf) > checkpointAge {
		return headRecord{}, errOther
	}
	if !c.request.isScheduled() && (head.Skipped > 0 || head.Live > 0) {
		return headRecord{}, errors.New("the scan of a request skips no candidates")
	}
	return head, nil
}

// load loads a checkpoint. After an error the scan is unchanged.
func (c *scan) load(ctx context.Context, series *checkpoint.Series, head headRecord) error {
	cursor := newCursor(head.After)
	for _, record := range head.Pending {
		open, err := record.pending()
		if err != nil {
			return err
		}
		cursor.open[record.Name] = open
	}
	unfinished := task.Go(func() error {
		begun, err := journal.HasIntent(ctx, c.Store, head.AsOf)
		if begun {
			return errFinished
		}
		return err
	})
	draft, live, err := c.loadDraft(series.Records(ctx, head.Segments))
	if err = cmp.Or(err, unfinished()); err != nil {
		draft.Close()
		return err
	}
	c.Draft, c.checkpoints.cursor, c.sources.sorted, c.Head.AsOf = draft, cursor, head.Sorted, head.AsOf
	c.skips.Skipped, c.skips.skippedLive = head.Skipped, head.Live
	c.sources.lines, c.Missing, c.Failures = head.Sources, head.Missing, head.Failures
	c.Origin = Origin{isHint: true, claim: claim{live: live + head.Live, upTo: head.After}}
	if c.request.Inventory {
		c.Origin.prefixes = c.Policy.Inventory.Prefixes
	}
	return nil
}

// loadDraft returns the draft of a checkpoint's findings, which the caller must close, and the number of its live media.
func (c *scan) loadDraft(records iter.Seq2[extsort.Record, error]) (draft Draft, live int, err error) {
	draft.resumed = true
	for record, err := range records {
		var f *finding
		if err == nil {
			f, err = saved(record)
		}
		if err == nil {
			c.holdSaved(f)
			err = c.checkRules(f)
		}
		if err == nil {
			err = draft.add(f.key(), f.encode())
		}
		if err != nil {
			return draft, 0, err
		}
		if f.mediaID != "" && f.verdict != retention.Absent && !f.uncounted {
			live++
		}
	}
	return draft, live, nil
}

// saved decodes a finding of a checkpoint, without the time when its medium was read. The fields of an expired medium come from its
// line.
func saved(record extsort.Record) (*finding, error) {
	f, err := decode(record.Name, record.Rest)
	if err != nil {
		return nil, err
	}
	if f.verdict != retention.Expired {
		f.line = plan.Line{}
		return f, nil
	}
	entry, _, err := plan.ParseEntry(f.line.Text)
	if err != nil {
		return nil, err
	}
	l, err := plan.Saved(entry)
	if err == nil && (l.MediaID != f.mediaID || l.Rule != f.rule) {
		err = errors.New("the media ID or the rule of a finding is not that of its plan entry")
	}
	f.line = l
	return f, err
}

// holdSaved protects a medium of a checkpoint that has been held since.
func (c *scan) holdSaved(f *finding) {
	if f.verdict != retention.Expired {
		return
	}
	if d, held := c.Mark(f.line.Medium).Held(c.Head.AsOf); held {
		f.verdict, f.rule, f.line = d.Verdict, d.RuleName(), plan.Line{}
	}
}

// checkRules refuses a finding by a rule that the policy does not have.
func (s *Scanner) checkRules(f *finding) error {
	expires := s.Policy.ExpireRule(f.rule) != nil
	isKnown := expires || slices.ContainsFunc(s.Policy.Protect, func(rule policy.Rule) bool { return rule.Name == f.rule })
	switch {
	case retention.IsHold(f.rule) && (f.verdict == retention.Protected || f.verdict == retention.Unknown): // it may have been released since
	case f.rule != "" && !isKnown, f.verdict == retention.Expired && !expires:
		return fmt.Errorf("a finding is by rule %s, which the policy does not have", text.Quote(f.rule))
	}
	ranking := s.Policy.ExpireRule(f.rank.Rule)
	if len(f.rank.Groups) > 0 && (ranking == nil || ranking.KeepLatest.Count == 0) {
		return fmt.Errorf("a finding is ranked by rule %s, which ranks nothing", text.Quote(f.rank.Rule))
	}
	return nil
}
