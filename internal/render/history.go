package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/text"
)

// WriteHistory writes a history for a person at a terminal.
func WriteHistory(b *strings.Builder, found *history.History) {
	if len(found.Decisions) == 0 {
		fmt.Fprintf(b, "no decision to delete %s is known\n", text.Line(found.Of))
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = text.Line(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")) //nolint:errcheck // a Builder takes everything
	}
	line("at", "outcome", "medium", "run", "reason")
	for _, d := range found.Decisions {
		outcome := string(d.Outcome)
		if detail := d.NewID + d.Code; detail != "" {
			outcome += " (" + detail + ")"
		}
		line(d.At.Format(time.RFC3339), outcome, d.MediaID, d.Run, d.Reason)
	}
	_ = t.Flush() // as above
	// The record of a restore has no title.
	latest := found.Decisions[max(0, slices.IndexFunc(found.Decisions, func(d history.Decision) bool { return d.Outcome != history.Restored }))]
	b.WriteByte('\n')
	for _, field := range [][2]string{{"title", latest.Title}, {"object", latest.Object}, {"plan", latest.Plan}, {"policy", latest.Policy}, {"next", found.Next}} {
		if field[1] != "" {
			line(field[0], field[1])
		}
	}
	_ = t.Flush() // as above
}

// WriteHistoryCSV writes a history with a row for each decision.
func WriteHistoryCSV(w io.Writer, found *history.History) error {
	table := csv.NewWriter(w)
	_ = table.Write([]string{"at", "outcome", "mediaId", "newId", "code", "run", "plan", "policy", "rule", "reason", "title", "object"})
	for _, d := range found.Decisions {
		_ = table.Write([]string{d.At.Format(time.RFC3339), string(d.Outcome), d.MediaID, d.NewID, d.Code, d.Run, d.Plan, d.Policy, d.Rule, d.Reason, d.Title, d.Object})
	}
	table.Flush()
	return table.Error() // of any of the writes
}
