package service

import (
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/restore"
)

func TestReportedDeletion(t *testing.T) {
	counts := report.Counts{Deleted: 1, Gone: 2, Failed: 4, Unverified: 8, Pending: 16}
	of := func(change func(*report.Report)) *report.Report {
		r := &report.Report{Mode: policy.Enforce, Status: report.Done, Plan: "p", Tally: report.Tally{Counts: counts}}
		change(r)
		return r
	}
	for name, test := range map[string]struct {
		report  *report.Report
		want    restore.Deletion
		refused string
	}{
		"done":        {of(func(*report.Report) {}), restore.Deletion{Run: "r", Plan: "p", Outcomes: "r", Ended: 15}, ""},
		"incomplete":  {of(func(r *report.Report) { r.Status = report.Incomplete }), restore.Deletion{Run: "r", Plan: "p", Outcomes: "r", Interrupted: true, Ended: 15}, ""},
		"failed":      {of(func(r *report.Report) { r.Status = report.Failed }), restore.Deletion{Run: "r", Plan: "p", Outcomes: "r", Ended: 15}, ""},
		"it finished": {of(func(r *report.Report) { r.Ledger = "killed" }), restore.Deletion{Run: "r", Plan: "p", Outcomes: "killed", Ended: 15}, ""},
		"a dry run":   {of(func(r *report.Report) { r.Mode = policy.DryRun }), restore.Deletion{}, "has deleted nothing: mode dry-run, status done"},
		"blocked":     {of(func(r *report.Report) { r.Status = report.Blocked }), restore.Deletion{}, "has deleted nothing: mode enforce, status blocked"},
		"busy":        {of(func(r *report.Report) { r.Status = report.Busy }), restore.Deletion{}, "has deleted nothing: mode enforce, status busy"},
		"no plan":     {of(func(r *report.Report) { r.Plan = "" }), restore.Deletion{}, "has deleted nothing"},
		"a restore":   {of(func(r *report.Report) { r.Restore = &report.Restore{Of: "q"} }), restore.Deletion{}, `run "r" is a restore of "q"`},
	} {
		got, err := reportedDeletion("r", test.report)
		if got != test.want || IsRefusal(err) != (test.refused != "") {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, test.want)
		}
		if test.refused != "" && !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: %v; want %s", name, err, test.refused)
		}
	}
}
