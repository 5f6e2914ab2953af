package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
)

// WriteRuns writes a list of runs for a person at a terminal.
func WriteRuns(b *strings.Builder, runs []*report.Report) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "run\tstarted\ttrigger\tmode\tstatus\texpired\tdeleted\tplan") //nolint:errcheck // a Builder takes everything
	for _, r := range runs {
		what := r.Plan
		if r.Restore != nil {
			what = fmt.Sprintf("%d restored of %s", r.Restore.Restored, r.Restore.Of)
		}
		say(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s", r.Run, r.StartedAt.Format(time.RFC3339), r.Trigger, r.Mode, r.Status, r.Counts.Expired, r.Counts.Deleted, what)
	}
	_ = t.Flush() // as above
}

// WriteRunsCSV writes a list of runs with a row for each.
func WriteRunsCSV(w io.Writer, runs []*report.Report) error {
	table := csv.NewWriter(w)
	_ = table.Write([]string{"run", "trigger", "mode", "status", "startedAt", "finishedAt", "looked", "expired", "deleted", "gone", "failed", "unverified", "pending",
		"plan", "policy", "guard", "overridden", "error"})
	for _, r := range runs {
		row := []string{r.Run, string(r.Trigger), string(r.Mode), string(r.Status), r.StartedAt.Format(time.RFC3339), r.FinishedAt.Format(time.RFC3339)}
		c := r.Counts
		for _, n := range []int{c.Looked, c.Expired, c.Deleted, c.Gone, c.Failed, c.Unverified, c.Pending} {
			row = append(row, strconv.Itoa(n))
		}
		_ = table.Write(append(row, r.Plan, r.Policy, r.Guard.Reason, r.Guard.Overridden, r.Error))
	}
	table.Flush()
	return table.Error() // of any of the writes
}
