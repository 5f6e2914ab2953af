package render_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
)

func TestStats(t *testing.T) {
	for by, want := range map[string]string{
		report.ByMonth: "month,rule,runs,deleted,lost\n2026-12,drafts,1,30,0\n2026-12,other,1,1,2\n2027-01,drafts,2,9,0\n2027-01,other,2,9,0\n",
		report.ByWeek:  "week,rule,runs,deleted,lost\n2026-W53,drafts,2,35,0\n2026-W53,other,2,6,2\n2027-W01,drafts,1,4,0\n2027-W01,other,1,4,0\n",
		report.ByRule:  "rule,runs,deleted,lost\ndrafts,3,39,0\nother,3,10,2\n",
	} {
		s := report.NewStats(by, "UTC")
		for day, drafts := range map[int]int{31: 30, 32: 5, 35: 4} { // Thursday, Friday, Monday
			other, lost := drafts, 0
			if day == 31 {
				other, lost = 1, 2
			}
			s.Add(time.Date(2026, 12, day, 0, 0, 0, 0, time.UTC), report.StatsTotal{Runs: 1, Deleted: drafts + other, Lost: lost},
				map[string]report.StatsTotal{"drafts": {Runs: 1, Deleted: drafts}, "other": {Runs: 1, Deleted: other, Lost: lost}})
		}
		s.Finish()
		var b strings.Builder
		if err := render.WriteStatsCSV(render.NewCSV(&b, false), s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" || s.Total != (report.StatsTotal{Runs: 3, Deleted: 49, Lost: 2}) {
			t.Errorf("by %s: total %+v %s", by, s.Total, diff)
		}
	}
}

func TestWriteStats(t *testing.T) {
	s := report.NewStats(report.ByMonth, "UTC")
	s.Add(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), report.StatsTotal{Runs: 1, Deleted: 31, Lost: 2}, map[string]report.StatsTotal{"drafts": {Runs: 1, Deleted: 30}, "other": {Runs: 1, Deleted: 1, Lost: 2}})
	s.Finish()
	var b strings.Builder
	render.WriteStats(&b, s)
	want := "    month  runs  deleted  lost  by rule\n  2026-12     1       31     2  drafts 30, other 1\n    total     1       31     2  \n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
