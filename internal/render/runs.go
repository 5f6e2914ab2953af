package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
)

// WriteRuns writes a list of runs for a person at a terminal. stores has the place of each run's records;
// it is empty if there is only one.
func WriteRuns(b *strings.Builder, runs []*report.Report, stores ...string) {
	t := &grid{out: b}
	head := []string{"run", "started", "trigger", "mode", "status", "expired", "deleted", "plan"}
	if len(stores) > 0 {
		head = slices.Insert(head, 1, "store")
	}
	t.row(head...)
	for i, r := range runs {
		what := r.Plan
		if r.Restore != nil {
			did := "restored"
			if r.Restore.DryRun {
				did = "would be restored"
			}
			what = fmt.Sprintf("%d %s of %s", r.Restore.Restored, did, r.Restore.Of)
		}
		row := []string{r.Run, r.StartedAt.Format(time.RFC3339), string(r.Trigger), string(r.Mode), string(r.Status), strconv.Itoa(r.Counts.Expired), strconv.Itoa(r.Counts.Deleted), what}
		if len(stores) > 0 {
			row = slices.Insert(row, 1, stores[i])
		}
		t.row(row...)
	}
	t.flush()
}

// WriteRunsCSV writes a list of runs with a row for each; see WriteRuns for stores.
func WriteRunsCSV(c *CSV, runs []*report.Report, stores ...string) error {
	head := []string{"run", "trigger", "mode", "status", "startedAt", "finishedAt", "looked", "expired", "deleted", "gone", "failed", "unverified", "pending",
		"plan", "policy", "guard", "overridden", "error"}
	if len(stores) > 0 {
		head = append(head, "store")
	}
	c.Head(head...)
	for i, r := range runs {
		row := []string{r.Run, string(r.Trigger), string(r.Mode), string(r.Status), r.StartedAt.Format(time.RFC3339), r.FinishedAt.Format(time.RFC3339)}
		n := r.Counts
		for _, count := range []int{n.Looked, n.Expired, n.Deleted, n.Gone, n.Failed, n.Unverified, n.Pending} {
			row = append(row, strconv.Itoa(count))
		}
		row = append(row, r.Plan, r.Policy, r.Guard.Reason, r.Guard.Overridden, r.Error)
		if len(stores) > 0 {
			row = append(row, stores[i])
		}
		c.Row(row...)
	}
	return c.Flush()
}
