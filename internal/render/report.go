// Package render writes reports, plans, forecasts and histories for people: as tables for a terminal and
// as CSV. It is pure.
package render

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

func writeCounts(r *report.Report, line func(format string, args ...any)) {
	c := r.Counts
	line("looked at\t%d\tmedia", c.Looked)
	line("  absent\t%d\tMPS does not know them, or says that they are deleted", c.Absent)
	line("  protected\t%d\ta protect rule or a hold keeps them", c.Protected)
	line("  unknown\t%d\tthe record does not tell enough; kept", c.Unknown)
	line("  kept\t%d\tnot due, or no rule applies", c.Kept)
	line("  expired\t%d", c.Expired)
	line("    deleted\t%d\tand read back as gone", c.Deleted)
	line("    pending\t%d\t%s", c.Pending, whyPending(r))
	for _, on := range r.Announced {
		line("    announced\t%d\tdeleted from %s on", on.Media, on.Day)
	}
	for _, other := range []struct {
		name  string
		count int
	}{{"gone", c.Gone}, {"failed", c.Failed}, {"unverified", c.Unverified}} {
		if other.count > 0 {
			line("    %s\t%d", other.name, other.count)
		}
	}
	if r.Due != nil {
		all := 0
		for _, on := range r.Due {
			all += on.Media
		}
		_, soon := r.DueWithinSeven()
		line("due later\t%d\twithin 90 days, %d of them within seven", all, soon)
	}
	line("no medium\t%d\tobjects", c.ObjectsWithoutMedia)
	line("calls\t%d\tDeleteMedia, %d QueryMediaList, %d QueryMediaListByURL (%d throttled, %d retried)",
		r.Calls.DeleteMedia, r.Calls.QueryMediaList, r.Calls.QueryMediaListByURL, r.Calls.Throttled, r.Calls.Retried)
	if n := r.Calls.ListExecutions; n > 0 {
		line("\t%d\tListMediaWorkflowExecutions", n)
	}
}

// whyPending says why expired media are there still.
func whyPending(r *report.Report) string {
	switch {
	case r.Guard.Tripped:
		return "not deleted: the guard blocked the run"
	case r.Mode == policy.DryRun:
		return "not deleted: this is a dry run"
	}
	return "not deleted yet"
}

// WriteReport writes a report for a person at a terminal. An error comes first, and without counts if
// the run looked at nothing.
func WriteReport(w io.Writer, r *report.Report) error {
	var b strings.Builder
	if r.Error != "" {
		fmt.Fprintf(&b, "error: %s\n\n", text.Printable(r.Error)) // a policy's mistakes have a line each
	}
	t := &grid{out: &b}
	if r.Run != "" {
		t.line("run\t%s", r.Run)
		t.line("started\t%s, by %s", r.StartedAt.Format(time.RFC3339), r.Trigger)
	}
	t.line("mode\t%s", r.Mode)
	t.line("status\t%s", r.Status)
	if r.Plan != "" {
		t.line("plan\t%s", r.Plan)
	}
	if r.Restore != nil {
		t.flush()
		writeRestore(&b, r.Restore)
	} else {
		writeSweep(t, r)
	}
	writeEnd(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeSweep(t *grid, r *report.Report) {
	counted := r.Status != report.Failed || r.Counts.Looked+r.Counts.ObjectsWithoutMedia > 0
	if counted {
		writeCounts(r, t.line)
	}
	t.flush()
	if len(r.Sources) > 1 {
		say(t.out, "")
		t.line("source\tnames")
		for _, source := range r.Sources {
			t.line("%s\t%d", source.Source, source.Named)
		}
		t.flush()
	}
	if counted && len(r.Rules) > 0 {
		say(t.out, "")
		t.line("rule\tkind\tdecided\texpired\tdeleted")
		for _, rule := range r.Rules {
			t.line("%s\t%s\t%d\t%d\t%d", rule.Name, rule.Kind, rule.Applied, rule.Expired, rule.Deleted)
		}
		t.flush()
	}
}

// writeEnd writes what a report says in words.
func writeEnd(b *strings.Builder, r *report.Report) {
	for _, note := range r.Notes {
		say(b, "\nnote: %s", note)
	}
	if r.Guard.Tripped {
		say(b, "\nblocked: %s", r.Guard.Reason)
	}
	if r.Guard.Overridden != "" {
		say(b, "\noverridden: %s", r.Guard.Overridden)
	}
	for _, f := range r.Failures {
		if f.MediaID+f.Object == "" && strings.Contains(r.Error, f.Message) {
			continue // the first line says it
		}
		say(b, "failed: %s", strings.TrimPrefix(f.MediaID+f.Object+": "+f.Message, ": "))
	}
	if r.Next != "" {
		say(b, "\nnext: %s", r.Next)
	}
}

func writeRestore(b *strings.Builder, c *report.Restore) {
	t := &grid{out: b}
	b.WriteString("\n")
	for _, m := range c.Media {
		why := m.Reason
		if m.NewID != "" {
			why = "as " + m.NewID
		}
		result := string(m.Result)
		if m.Result == report.Restored {
			result = did(c)
		}
		t.line("%s\t%s\t%s\t%s", result, m.MediaID, why, m.Object)
	}
	t.flush()
	if rest := c.Restored + c.Skipped - len(c.Media); rest > 0 {
		say(b, "%d more", rest)
	}
	say(b, "%d %s, %d skipped, %d failed", c.Restored, did(c), c.Skipped, c.Failed)
	if c.Records != "" {
		say(b, "all results are in %s of the state store", c.Records)
	}
}

// did says what became of the media that a restore counts as restored.
func did(c *report.Restore) string {
	if c.DryRun {
		return "would be restored"
	}
	return "restored"
}

// WriteRestoredCSV writes the results of a restore with a row for each medium.
func WriteRestoredCSV(c *CSV, results iter.Seq2[report.RestoredMedium, error]) error {
	c.Head("mediaId", "newId", "object", "outcome", "message")
	for m, err := range results {
		if err != nil {
			return err
		}
		c.Row(m.MediaID, m.NewID, m.Object, string(m.Result), m.Reason)
	}
	return c.Flush()
}
