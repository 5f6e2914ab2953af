package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// resume resumes an interrupted scan of the same policy that is not older than checkpointAge. It
// logs a checkpoint that cannot be read, and tries the one before it.
func (c *scan) resume(ctx context.Context, r *report.Report) {
	all, resumer := c.checkpointsOf(ctx, r.Mode)
	if all == "" {
		return
	}
	c.checkpoints = newCheckpointer(c.Store, all+state.RunName(c.Now(), r.Run)+"/", resumer)
	records, heads, err := c.interrupted(ctx, all)
	if err != nil {
		c.Log.Error("scan not resumed: starting over", "error", err.Error())
	}
	for _, number := range slices.Backward(heads) {
		head, err := c.loadHead(ctx, records.folder, number)
		if err == nil {
			err = c.load(ctx, records.folder, head)
		}
		switch {
		case err == nil:
			c.checkpoints.records, c.checkpoints.segments, c.checkpoints.saved = records, head.Segments, true
			c.Log.Info("resuming an interrupted scan", "after", head.After, "asOf", head.AsOf, "skipped", head.Skipped)
			return
		case errors.Is(err, errFinished), ctx.Err() != nil:
			return
		case !errors.Is(err, errOther):
			c.Log.Error("checkpoint not resumed", "folder", records.folder, "number", number, "error", err.Error())
		}
	}
}

// interrupted returns the records of the latest scan below a folder. If that scan was interrupted, it also returns the
// numbers of its checkpoints.
func (s *Scanner) interrupted(ctx context.Context, all string) (records numbered, heads []int, err error) {
	records.store = s.Store
	closed := false
	for record, err := range s.Store.List(ctx, all, all+state.Stamp(s.Now().Add(-checkpointAge))) {
		if err != nil {
			return records, nil, fmt.Errorf("list the checkpoints: %w", err)
		}
		at := strings.LastIndex(record.Name, "/") + 1
		if record.Name[:at] != records.folder {
			records.folder, records.last, heads, closed = record.Name[:at], 0, nil, false
		}
		name := record.Name[at:]
		closed = closed || name == closedName
		var number int
		var suffix string
		if n, _ := fmt.Sscanf(name, "%6d.%s", &number, &suffix); n != 2 {
			continue
		}
		if records.last = max(records.last, number); suffix == "json" {
			heads = append(heads, number)
		}
	}
	if closed {
		heads = nil
	}
	return records, heads, nil
}

// errOther: the checkpoint has another policy, region, version or time. errFinished: its scan was
// finished, but that was not recorded.
var (
	errOther    = errors.New("the checkpoint is not for this scan")
	errFinished = errors.New("the scan has been finished")
)

func (c *scan) loadHead(ctx context.Context, folder string, number int) (checkpoint, error) {
	data, err := c.Store.Read(ctx, fmt.Sprintf("%s%06d.json", folder, number))
	if err != nil {
		return checkpoint{}, err
	}
	head, err := decodeHead(data)
	if err != nil {
		return checkpoint{}, err
	}
	if head.Policy != c.Policy.Digest() || c.sources.sorted && !head.Sorted || head.Region != c.Region || head.AsOf.After(c.Now()) || c.Now().Sub(head.AsOf) > checkpointAge {
		return checkpoint{}, errOther
	}
	if !isScheduled(c.request) && (head.Skipped > 0 || head.Live > 0) {
		return checkpoint{}, errors.New("the scan of a request skips no candidates")
	}
	return head, nil
}

// load loads a checkpoint. After an error the scan is unchanged.
func (c *scan) load(ctx context.Context, folder string, head checkpoint) error {
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
	draft, live, err := c.loadDraft(ctx, folder, head.Segments)
	if err = cmp.Or(err, unfinished()); err != nil {
		draft.Close()
		return err
	}
	c.Draft, c.checkpoints.cursor, c.sources.sorted, c.Head.AsOf = draft, cursor, head.Sorted, head.AsOf
	c.skips.Skipped, c.skips.skippedLive = head.Skipped, head.Live
	c.sources.lines, c.Missing, c.reported = head.Sources, head.Missing, head.Failures
	c.Origin = Origin{isHint: true, claim: claim{live: live + head.Live, upTo: head.After}}
	if c.request.Inventory {
		c.Origin.prefixes = c.Policy.Inventory.Prefixes
	}
	return nil
}

// loadDraft returns the draft of a checkpoint's segments, which the caller must close, and the number of its live media.
func (c *scan) loadDraft(ctx context.Context, folder string, segments []int) (draft Draft, live int, err error) {
	draft.resumed = true
	for f, err := range c.savedFindings(ctx, folder, segments) {
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
