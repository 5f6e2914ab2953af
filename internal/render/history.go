package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

// WriteHistory writes a history for a person at a terminal.
func WriteHistory(b *strings.Builder, found *history.History) {
	if len(found.Decisions) == 0 {
		fmt.Fprintf(b, "no decision to delete %s is known\n", text.Line(found.Of))
		return
	}
	t := &grid{out: b}
	t.row("at", "outcome", "medium", "run", "reason")
	for _, d := range found.Decisions {
		outcome := string(d.Outcome)
		if detail := d.NewID + d.Code; detail != "" {
			outcome += " (" + detail + ")"
		}
		t.row(d.At.Format(time.RFC3339), outcome, d.MediaID, RunOf(words.English, d), d.Reason)
	}
	t.flush()
	// The record of a restore has no title.
	latest := found.Decisions[max(0, slices.IndexFunc(found.Decisions, func(d history.Decision) bool { return d.Outcome != history.Restored }))]
	b.WriteByte('\n')
	for _, field := range [][2]string{{"title", latest.Title}, {"object", latest.Object}, {"plan", latest.Plan}, {"policy", latest.Policy}, {"next", found.Next}} {
		if field[1] != "" {
			t.row(field[0], field[1])
		}
	}
	t.flush()
	if said := found.Policies[latest.Policy]; said != "" {
		fmt.Fprintf(b, "\nThe policy. Its mode, guard and pace may have been others:\n")
		for line := range strings.Lines(said) {
			fmt.Fprintf(b, "  %s\n", text.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
}

// RunOf returns the run of a decision. A restore has the run that it undid, or the plan.
func RunOf(lang words.Lang, d history.Decision) string {
	switch {
	case d.Outcome != history.Restored:
		return d.Run
	case trigger.IsPlanID(d.Run):
		return lang.Say("plan %s (undone)", trigger.ShortPlan(d.Run))
	}
	return lang.Say("%s (undone)", d.Run)
}

// WriteHistoryCSV writes a history with a row for each decision.
func WriteHistoryCSV(c *CSV, found *history.History) error {
	c.Head("at", "outcome", "mediaId", "newId", "code", "run", "plan", "policy", "rule", "reason", "title", "object")
	for _, d := range found.Decisions {
		c.Row(d.At.Format(time.RFC3339), string(d.Outcome), d.MediaID, d.NewID, d.Code, d.Run, d.Plan, d.Policy, d.Rule, d.Reason, d.Title, d.Object)
	}
	return c.Flush()
}
