package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func TestStatusesAsCallersSeeThem(t *testing.T) {
	tests := []struct {
		status  report.Status
		refused bool
		exit    int
		http    int
	}{
		{report.Done, false, 0, 200},
		{report.Partial, false, 3, 200},
		{report.Blocked, false, 4, 409},
		{report.Incomplete, false, 5, 200},
		{report.Busy, false, 6, 409},
		{report.Failed, false, 1, 502},
		{report.Failed, true, 2, 400},
	}
	for _, test := range tests {
		r := report.Report{Status: test.status, Hidden: report.Hidden{Refused: test.refused}}
		if r.ExitCode() != test.exit || r.HTTPStatus() != test.http {
			t.Errorf("%s: exit %d, HTTP %d; want %d, %d", test.status, r.ExitCode(), r.HTTPStatus(), test.exit, test.http)
		}
	}
}

func newReport(t *testing.T) *report.Report {
	t.Helper()
	p, err := policy.Parse("p", []byte("version: 1\nprotect: [{name: hold, match: {tags: [x]}}]\nexpire: [{name: all, after: 7d}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return report.New("r1", trigger.Timer, p, time.Date(2026, 6, 30, 1, 2, 3, 456, time.FixedZone("", 3600)))
}

// The fields that callers rely on are there, also when they are empty.
func TestFields(t *testing.T) {
	r := newReport(t)
	r.Finish(report.Done, time.Date(2026, 6, 30, 1, 2, 4, 0, time.UTC))
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run", "trigger", "mode", "status", "policy", "plan", "asOf", "startedAt", "finishedAt", "counts", "rules", "guard", "calls", "failures", "error"} {
		if value, ok := fields[name]; !ok || value == nil {
			t.Errorf("%s is missing or null: %s", name, data)
		}
	}
	if fields["asOf"] != "2026-06-30T00:02:03Z" || len(r.Rules) != 2 || r.Rule("hold").Kind != "protect" || r.Rule("none") != nil {
		t.Errorf("report %s", data)
	}
}

func TestCountsThatDoNotAddUpFailTheRun(t *testing.T) {
	for name, counts := range map[string]report.Counts{
		"decided":       {Looked: 2, Kept: 1},
		"accounted for": {Looked: 2, Kept: 1, Expired: 1},
	} {
		r := newReport(t)
		r.Counts = counts
		if r.Finish(report.Done, time.Unix(0, 0)); r.Status != report.Failed || !strings.Contains(r.Error, name) {
			t.Errorf("%+v: %s, %s", counts, r.Status, r.Error)
		}
	}
	r := newReport(t)
	r.Counts = report.Counts{Looked: 6, Absent: 1, Unknown: 1, Protected: 1, Kept: 1, Expired: 2, Deleted: 1, Pending: 1}
	if r.Finish(report.Done, time.Unix(0, 0)); r.Status != report.Done {
		t.Errorf("%s, %s", r.Status, r.Error)
	}
}

func TestFailuresAreBounded(t *testing.T) {
	r := newReport(t)
	for range 250 {
		r.Fail(report.Failure{MediaID: "a"})
	}
	if len(r.Failures) != 100 {
		t.Errorf("%d failures are listed", len(r.Failures))
	}
}

func TestFinishBoundsWhatAReportSays(t *testing.T) {
	long := strings.Repeat("视", 10000)
	r := report.Report{Error: long, Notes: []string{long}, Guard: report.Guard{Reason: long}}
	r.Fail(report.Failure{Message: long})
	r.Finish(report.Failed, time.Unix(0, 0))
	for _, said := range append(r.Notes, r.Error, r.Guard.Reason, r.Failures[0].Message) {
		if len(said) > text.MaxMessage || said == "" {
			t.Errorf("%d bytes", len(said))
		}
	}
}
