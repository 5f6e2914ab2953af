package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/mediasweep/mediasweep/internal/report"
)

// WriteStats writes totals for a person at a terminal.
func WriteStats(b *strings.Builder, s *report.Stats) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, total report.StatsTotal, rules []report.StatsRule) {
		texts := make([]string, len(rules))
		for i, rule := range rules {
			texts[i] = fmt.Sprintf("%s %d", rule.Name, rule.Deleted)
		}
		say(t, "%s\t%d\t%d\t  %s", name, total.Runs, total.Deleted, strings.Join(texts, ", "))
	}
	heading := ""
	if s.By != report.ByRule {
		heading = "by rule"
	}
	say(t, "%s\truns\tdeleted\t  %s", s.By, heading)
	for _, one := range s.Rows {
		row(one.Name, one.StatsTotal, one.Rules)
	}
	row("total", s.Total, nil)
	_ = t.Flush() // a Builder takes everything
}

// WriteStatsCSV writes totals with a row for each period and rule, or for each rule.
func WriteStatsCSV(w io.Writer, s *report.Stats) error {
	table := csv.NewWriter(w)
	row := func(cells ...string) { _ = table.Write(cells) }
	if s.By == report.ByRule {
		row("rule", "runs", "deleted")
	} else {
		row(s.By, "rule", "runs", "deleted")
	}
	for _, one := range s.Rows {
		if s.By == report.ByRule {
			row(one.Name, strconv.Itoa(one.Runs), strconv.Itoa(one.Deleted))
		}
		for _, rule := range one.Rules {
			row(one.Name, rule.Name, strconv.Itoa(rule.Runs), strconv.Itoa(rule.Deleted))
		}
	}
	table.Flush()
	return table.Error() // of any of the writes
}
