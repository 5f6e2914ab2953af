package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The ways to group totals.
const (
	ByMonth = "month"
	ByWeek  = "week" // of ISO 8601
	ByRule  = "rule"
)

// StatsBy returns the ways to group totals.
func StatsBy() []string { return []string{ByMonth, ByWeek, ByRule} }

// StatsTotal counts the runs that deleted or lost media, and the media.
type StatsTotal struct {
	Runs    int `json:"runs"`
	Deleted int `json:"deleted"`
	// Lost media were gone when a run finished the plan of a killed one, which may have deleted them.
	Lost int `json:"lost"`
}

// And returns the sum of two totals.
func (t StatsTotal) And(other StatsTotal) StatsTotal {
	return StatsTotal{t.Runs + other.Runs, t.Deleted + other.Deleted, t.Lost + other.Lost}
}

// Stats are totals of deletions. Days, weeks and months begin in the timezone.
type Stats struct {
	By       string     `json:"by"`
	Timezone string     `json:"timezone"`
	Rows     []StatsRow `json:"rows"`
	Total    StatsTotal `json:"total"`
	Notes    []string   `json:"notes,omitempty"`

	rows map[string]map[string]StatsTotal // by the name of a row and of a rule
	sums map[string]StatsTotal            // by the name of a row
}

// StatsRow is the total of a month (2026-11), an ISO week (2026-W48), or a rule.
type StatsRow struct {
	Name string `json:"name"`
	StatsTotal
	Rules []StatsRule `json:"rules,omitempty"`
}

// Deleting returns the rules that deleted media.
func (r StatsRow) Deleting() []StatsRule {
	return slices.DeleteFunc(slices.Clone(r.Rules), func(rule StatsRule) bool { return rule.Deleted == 0 })
}

// StatsRule is the total of a rule. A run that deleted by several rules counts for each of them.
type StatsRule struct {
	Name string `json:"name"`
	StatsTotal
}

// NewStats returns empty totals.
func NewStats(by, timezone string) *Stats {
	return &Stats{By: by, Timezone: timezone, rows: map[string]map[string]StatsTotal{}, sums: map[string]StatsTotal{}}
}

// Add adds the totals of a day.
func (s *Stats) Add(date time.Time, total StatsTotal, rules map[string]StatsTotal) {
	s.Total = s.Total.And(total)
	name := date.Format("2006-01")
	switch s.By {
	case ByRule:
		for rule, n := range rules {
			s.sums[rule] = s.sums[rule].And(n)
		}
		return
	case ByWeek:
		year, week := date.ISOWeek()
		name = fmt.Sprintf("%04d-W%02d", year, week)
	}
	s.sums[name] = s.sums[name].And(total)
	if s.rows[name] == nil {
		s.rows[name] = map[string]StatsTotal{}
	}
	for rule, n := range rules {
		s.rows[name][rule] = s.rows[name][rule].And(n)
	}
}

// Finish makes the rows: periods in order, rules with the most deletions first.
func (s *Stats) Finish() {
	s.Rows = []StatsRow{}
	for _, name := range slices.Sorted(maps.Keys(s.sums)) {
		s.Rows = append(s.Rows, StatsRow{name, s.sums[name], rulesOf(s.rows[name])})
	}
	if s.By != ByRule {
		return
	}
	s.Rows = s.Rows[:0]
	for _, rule := range rulesOf(s.sums) {
		s.Rows = append(s.Rows, StatsRow{Name: rule.Name, StatsTotal: rule.StatsTotal})
	}
}

func rulesOf(totals map[string]StatsTotal) []StatsRule {
	rows := make([]StatsRule, 0, len(totals))
	for name, total := range totals {
		rows = append(rows, StatsRule{name, total})
	}
	slices.SortFunc(rows, func(a, b StatsRule) int {
		return cmp.Or(cmp.Compare(b.Deleted, a.Deleted), strings.Compare(a.Name, b.Name))
	})
	return rows
}
