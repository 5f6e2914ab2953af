package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
)

// WriteRuns writes a list of runs for a person at a terminal.
func WriteRuns(b *strings.Builder, runs []*report.Report) {
	t := &grid{out: b}
	t.line("run\tstarted\ttrigger\tmode\tstatus\texpired\tdeleted\tplan")
	for _, r := range runs {
		what := r.Plan
		if r.Restore != nil {
			did := "restored"
			if r.Restore.DryRun {
				did = "would be restored"
			}
			what = fmt.Sprintf("%d %s of %s", r.Restore.Restored, did, r.Restore.Of)
		}
		t.line("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s", r.Run, r.StartedAt.Format(time.RFC3339), r.Trigger, r.Mode, r.Status, r.Counts.Expired, r.Counts.Deleted, what)
	}
	t.flush()
}

// WriteRunsCSV writes a list of runs with a row for each.
func WriteRunsCSV(c *CSV, runs []*report.Report) error {
	c.Head("run", "trigger", "mode", "status", "startedAt", "finishedAt", "looked", "expired", "deleted", "gone", "failed", "unverified", "pending",
		"plan", "policy", "guard", "overridden", "error")
	for _, r := range runs {
		row := []string{r.Run, string(r.Trigger), string(r.Mode), string(r.Status), r.StartedAt.Format(time.RFC3339), r.FinishedAt.Format(time.RFC3339)}
		n := r.Counts
		for _, count := range []int{n.Looked, n.Expired, n.Deleted, n.Gone, n.Failed, n.Unverified, n.Pending} {
			row = append(row, strconv.Itoa(count))
		}
		c.Row(append(row, r.Plan, r.Policy, r.Guard.Reason, r.Guard.Overridden, r.Error)...)
	}
	return c.Flush()
}
