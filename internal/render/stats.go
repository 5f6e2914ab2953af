package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mediasweep/mediasweep/internal/report"
)

// WriteStats writes totals for a person at a terminal.
func WriteStats(b *strings.Builder, s *report.Stats) {
	t := &grid{out: b, right: true}
	row := func(name string, total report.StatsTotal, rules []report.StatsRule) {
		texts := make([]string, len(rules))
		for i, rule := range rules {
			texts[i] = fmt.Sprintf("%s %d", rule.Name, rule.Deleted)
		}
		t.line("%s\t%d\t%d\t%d\t  %s", name, total.Runs, total.Deleted, total.Lost, strings.Join(texts, ", "))
	}
	heading := ""
	if s.By != report.ByRule {
		heading = "by rule"
	}
	t.line("%s\truns\tdeleted\tlost\t  %s", s.By, heading)
	for _, one := range s.Rows {
		row(one.Name, one.StatsTotal, one.Deleting())
	}
	row("total", s.Total, nil)
	t.flush()
}

// WriteStatsCSV writes totals with a row for each period and rule, or for each rule.
func WriteStatsCSV(c *CSV, s *report.Stats) error {
	if s.By == report.ByRule {
		c.Head("rule", "runs", "deleted", "lost")
	} else {
		c.Head(s.By, "rule", "runs", "deleted", "lost")
	}
	for _, one := range s.Rows {
		if s.By == report.ByRule {
			c.Row(one.Name, strconv.Itoa(one.Runs), strconv.Itoa(one.Deleted), strconv.Itoa(one.Lost))
		}
		for _, rule := range one.Rules {
			c.Row(one.Name, rule.Name, strconv.Itoa(rule.Runs), strconv.Itoa(rule.Deleted), strconv.Itoa(rule.Lost))
		}
	}
	return c.Flush()
}
