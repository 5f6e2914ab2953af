package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// WriteExplanation writes an explanation for a person at a terminal.
func WriteExplanation(b *strings.Builder, e *retention.Explanation) {
	t := &grid{out: b}
	line := t.line
	if d := e.Deleted; d != nil {
		line("%s\t%s, %s, by run %s", d.Outcome, d.At.Format(time.RFC3339), retention.Distance(e.AsOf, d.At), d.Run)
		line("\t%s", d.Reason)
		line("\tplan %s, policy %s", d.Plan, d.Policy)
		line("\t%s", d.Next)
	}
	for _, field := range [][2]string{{"medium", e.MediaID}, {"object", e.Object}, {"title", e.Title}, {"state", e.State}, {"tags", strings.Join(e.Tags, ", ")}, {"groups", strings.Join(e.Groups, ", ")}} {
		if field[1] != "" {
			line("%s\t%s", field[0], field[1])
		}
	}
	if !e.CreatedAt.IsZero() {
		line("created\t%s, %s", e.CreatedAt.Format(time.RFC3339), retention.Distance(e.AsOf, e.CreatedAt))
	}
	line("verdict\t%s: %s", e.Verdict, e.Reason)
	switch {
	case e.Verdict == retention.Expired && !e.DueAt.After(e.AsOf):
		line("due\tsince %s, %s", e.DueAt.Format(time.RFC3339), e.DueIn)
	case !e.DueAt.IsZero():
		line("due\t%s, %s, by rule %s", e.DueAt.Format(time.RFC3339), e.DueIn, e.DueRule)
	case e.Verdict != retention.Absent:
		line("due\tnever, as things are")
	}
	for _, h := range e.Holds {
		line("%s\tuntil %s, by %s: %s", h.Rule(), h.Ends(), h.By, h.Reason)
	}
	t.flush()
	for _, note := range e.Notes {
		say(b, "note: %s", note)
	}
	if len(e.Rules) > 0 {
		b.WriteString("\nrules, in the order in which they are asked\n")
		for _, answer := range e.Rules {
			writeAnswer(b, answer)
		}
	}
	if len(e.Changes) > 0 {
		b.WriteString("\nwhat would change it\n")
		for _, change := range e.Changes {
			reason := change.Reason
			if change.Unless != "" {
				reason += ", " + change.Unless
			}
			line("  %s\t%s: %s", change.What, change.Verdict, reason)
		}
		t.flush()
	}
}

func writeAnswer(b *strings.Builder, a retention.Answer) {
	mark, says := " ", map[policy.Truth]string{policy.Yes: "applies", policy.No: "does not apply", policy.Unknown: "cannot tell"}[a.Applies]
	if a.Decides {
		mark, says = "*", says+", and decides"
	}
	if !a.ExpiresAt.IsZero() {
		says += map[string]string{"protect": "; it protects until ", "expire": "; its time is "}[a.Kind] + a.ExpiresAt.Format(time.RFC3339)
	}
	say(b, "%s %s %s: %s", mark, a.Kind, a.Name, says)
	for _, c := range a.Conditions {
		has := ""
		if c.Has != "" {
			has = " (has " + c.Has + ")"
		}
		say(b, "    %-7s %s%s", c.Holds, c.Says, has)
	}
}

// chartWidth is the length of the longest bar of a forecast.
const chartWidth = 40

// WriteForecast writes a forecast for a person at a terminal: the days on which
// something falls due, with a bar each.
func WriteForecast(b *strings.Builder, f report.Forecast) {
	t := &grid{out: b, right: true}
	most := 1
	for _, day := range f.Days {
		most = max(most, day.Media)
	}
	row := func(when string, tally retention.Tally) {
		rules := make([]string, len(tally.Rules))
		for i, rule := range tally.Rules {
			rules[i] = fmt.Sprintf("%s %d", rule.Name, rule.Media)
		}
		bar := ""
		if tally.Media > 0 && when != "total" { // what is overdue may be more than fits
			bar = strings.Repeat("█", min(chartWidth, max(1, tally.Media*chartWidth/most)))
		}
		t.line("%s\t%d\t%s\t%.1f h\t  %-*s  %s", when, tally.Media, Bytes(tally.Bytes), tally.Seconds/3600, chartWidth, bar, strings.Join(rules, ", "))
	}
	t.line("%s\tmedia\tinput\tvideo\t  %-*s  by rule", "day", chartWidth, "")
	row("overdue", f.Overdue)
	for _, day := range f.Days {
		if day.Media > 0 {
			row(day.Date, day.Tally)
		}
	}
	row("total", f.Total)
	t.flush()
	say(b, "\n%d days from %s, in %s; %d media fall due later and %d never, as things are", len(f.Days), f.Days[0].Date, f.Timezone, f.Later, f.Never)
}

// WriteForecastCSV writes a forecast with a row for each day and rule that has
// media; the day of what is due already is "overdue".
func WriteForecastCSV(c *CSV, f report.Forecast) error {
	rows := func(when string, tally retention.Tally) {
		for _, rule := range tally.Rules {
			c.Row(when, rule.Name, strconv.Itoa(rule.Media), strconv.FormatInt(rule.Bytes, 10), strconv.FormatFloat(rule.Seconds, 'f', -1, 64))
		}
	}
	c.Head("date", "rule", "media", "bytes", "videoSeconds")
	rows("overdue", f.Overdue)
	for _, day := range f.Days {
		rows(day.Date, day.Tally)
	}
	return c.Flush()
}

// WriteDiff writes a comparison of two policies for a person at a terminal.
func WriteDiff(b *strings.Builder, d *retention.Diff) {
	headings := map[retention.Kind]string{
		retention.NewlyDeleted: "newly deleted", retention.NewlyKept: "newly kept", retention.Sooner: "due sooner", retention.Later: "due later",
	}
	for _, group := range d.Changes {
		say(b, "%s: %d media, %s -> %s", headings[group.Kind], group.Media, ruleText(group.OldRule), ruleText(group.NewRule))
		for _, sample := range group.Samples {
			say(b, "  %s %s\n    old: %s\n    new: %s", sample.MediaID, sample.Object, sample.Old.Text(), sample.New.Text())
		}
		if more := group.Media - len(group.Samples); more > 0 {
			say(b, "  and %d more", more)
		}
	}
	say(b, "%d media, %d of them as before", d.Media, d.Unchanged)
}

func ruleText(name string) string {
	if name == "" {
		return "no rule"
	}
	return "rule " + name
}

// Differences writes the head of a list of differences, and returns what writes a row.
func Differences(c *CSV) func(retention.Difference) {
	c.Head("change", "mediaId", "object", "oldVerdict", "oldRule", "oldDueAt", "newVerdict", "newRule", "newDueAt")
	return func(d retention.Difference) {
		row := []string{string(d.Kind), d.MediaID, d.Object}
		for _, o := range []retention.Outlook{d.Old, d.New} {
			due := ""
			if !o.DueAt.IsZero() {
				due = o.DueAt.Format(time.RFC3339)
			}
			row = append(row, o.Verdict.String(), o.Rule, due)
		}
		c.Row(row...)
	}
}
