package scan

import (
	"context"
	"time"

	"github.com/mediasweep/mediasweep/internal/checkpoint"
)

// A checkpoint is due after checkpointTime and checkpointStep candidates, or once a segment is full.
const (
	checkpointTime = 10 * time.Second
	checkpointStep = 1000
)

// checkpointer writes the checkpoints of one scan. One without a resumer writes none.
type checkpointer struct {
	cursor
	series  *checkpoint.Series // of the findings
	resumer string             // who resumes the scan
	// tried is the time of the last try, after so many candidates were accounted for.
	tried      time.Time
	triedAfter int
	last       headRecord // of the last one; the end of the scan sets it
}

func newCheckpointer(series *checkpoint.Series, resumer string) *checkpointer {
	return &checkpointer{cursor: newCursor(""), series: series, resumer: resumer, tried: time.Now()}
}

func (c *checkpointer) isDue() bool {
	return c.series.IsWhole() && c.accounted-c.triedAfter >= checkpointStep && (time.Since(c.tried) >= checkpointTime || c.series.IsFull())
}

// save writes the findings since the last checkpoint as a segment, and then the head, at the cursor.
func (c *checkpointer) save(ctx context.Context, head headRecord) (err error) {
	defer func() { c.tried, c.triedAfter = time.Now(), c.accounted }()
	if head.Segments, err = c.series.Flush(ctx); err != nil {
		return err
	}
	head.After = c.after
	for _, open := range c.left() {
		head.Pending = append(head.Pending, open.record())
	}
	return c.series.SaveHead(ctx, head)
}

// saveLast writes the last checkpoint, unless the run has come no further than the one that it resumed.
func (c *checkpointer) saveLast(ctx context.Context, draft *Draft) error {
	if c.series.IsSaved() && !c.moved {
		return nil
	}
	if !c.series.IsWhole() {
		if err := c.series.Rewrite(ctx, draft.findings.All()); err != nil {
			return err
		}
	}
	return c.save(ctx, c.last)
}
