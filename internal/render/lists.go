package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// Run is a run in a list.
type Run struct {
	// Store is the place of its records; empty if all runs have the same.
	Store string `json:"store,omitempty"`
	*report.Report
}

func haveStores(runs []Run) bool {
	return slices.ContainsFunc(runs, func(r Run) bool { return r.Store != "" })
}

// WriteRuns writes a list of runs for a person at a terminal.
func WriteRuns(b *strings.Builder, runs []Run) {
	t, stores := &grid{out: b}, haveStores(runs)
	head := []string{"run", "started", "trigger", "mode", "status", "expired", "deleted", "plan"}
	if stores {
		head = slices.Insert(head, 1, "store")
	}
	t.row(head...)
	for _, r := range runs {
		what := r.Plan
		if r.Restore != nil {
			what = fmt.Sprintf("%d %s of %s", r.Restore.Restored, did(r.Restore), r.Restore.Of)
		}
		row := []string{r.Run, r.StartedAt.Format(time.RFC3339), string(r.Trigger), string(r.Mode), string(r.Status), strconv.Itoa(r.Counts.Expired), strconv.Itoa(r.Counts.Deleted), what}
		if stores {
			row = slices.Insert(row, 1, r.Store)
		}
		t.row(row...)
	}
	t.flush()
}

// WriteRunsCSV writes a list of runs with a row for each.
func WriteRunsCSV(c *CSV, runs []Run) error {
	stores := haveStores(runs)
	head := []string{"run", "trigger", "mode", "status", "startedAt", "finishedAt", "looked", "expired", "deleted", "gone", "failed", "unverified", "pending", "announced",
		"plan", "policy", "guard", "overridden", "error"}
	if stores {
		head = append(head, "store")
	}
	c.Head(head...)
	for _, r := range runs {
		row := []string{r.Run, string(r.Trigger), string(r.Mode), string(r.Status), r.StartedAt.Format(time.RFC3339), r.FinishedAt.Format(time.RFC3339)}
		n := r.Counts
		for _, count := range []int{n.Looked, n.Expired, n.Deleted, n.Gone, n.Failed, n.Unverified, n.Pending, n.Announced} {
			row = append(row, strconv.Itoa(count))
		}
		row = append(row, r.Plan, r.Policy, r.Guard.Reason, r.Guard.Overridden, r.Error)
		if stores {
			row = append(row, r.Store)
		}
		c.Row(row...)
	}
	return c.Flush()
}

// WritePlans writes a list of plans for a person at a terminal.
func WritePlans(b *strings.Builder, plans []plan.Contents) {
	t := &grid{out: b}
	t.row("plan", "as of", "media", "policy", "applied by run", "blocked")
	for _, p := range plans {
		t.line("%s\t%s\t%d\t%s\t%s\t%s", p.ID, p.Head.AsOf.Format(time.RFC3339), p.Entries, p.Head.Policy, p.Run, p.Blocked)
	}
	t.flush()
}

// WritePlansCSV writes a list of plans with a row for each.
func WritePlansCSV(c *CSV, plans []plan.Contents) error {
	c.Head("plan", "asOf", "media", "policy", "blocked", "run")
	for _, p := range plans {
		c.Row(p.ID, p.Head.AsOf.Format(time.RFC3339), strconv.Itoa(p.Entries), p.Head.Policy, p.Blocked, p.Run)
	}
	return c.Flush()
}

// WriteHolds writes holds for a person at a terminal.
func WriteHolds(b *strings.Builder, holds []retention.Hold) {
	t := &grid{out: b}
	t.line("hold\ttarget\tuntil\tplaced\tby\treason")
	for _, h := range holds {
		t.line("%s\t%s\t%s\t%s\t%s\t%s", h.ID, h.On(), h.Ends(), h.At.Format(time.RFC3339), h.By, h.Reason)
	}
	t.flush()
}
