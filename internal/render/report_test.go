package render_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

func TestTable(t *testing.T) {
	r := report.New("r1", trigger.Timer, parse(t, "version: 1\nprotect: [{name: hold, match: {tags: [x]}}]\nexpire: [{name: all, after: 7d}]\n"), asOf)
	r.Guard = report.Guard{Tripped: true, Reason: "too many"}
	r.Fail(report.Failure{MediaID: "m1", Message: "gone wrong"})
	r.Error = "an error"
	r.Due = []report.Due{{Day: asOf.AddDate(0, 0, 6).Format(time.DateOnly), Media: 3}, {Day: asOf.AddDate(0, 0, 8).Format(time.DateOnly), Media: 4}}
	var b strings.Builder
	if err := render.WriteReport(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"\nrun          r1\nstarted      " + asOf.Format(time.RFC3339) + ", by timer\nmode         ", "hold", "protect", "blocked: too many", "error: an error", "m1: gone wrong", "within 90 days, 3 of them within seven"} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("the table lacks %q:\n%s", text, b.String())
		}
	}
}

// A table says why expired media are there still.
func TestPending(t *testing.T) {
	for want, change := range map[string]func(*report.Report){
		"not deleted: this is a dry run":         func(*report.Report) {},
		"not deleted yet":                        func(r *report.Report) { r.Mode = policy.Enforce },
		"not deleted: the guard blocked the run": func(r *report.Report) { r.Mode, r.Guard.Tripped = policy.Enforce, true },
	} {
		r := report.New("r1", trigger.Timer, nil, asOf)
		r.Counts.Pending = 7
		change(r)
		var b strings.Builder
		if err := render.WriteReport(&b, r); err != nil || !regexp.MustCompile(`(?m)^ +pending +7 +`+want+`$`).MatchString(b.String()) {
			t.Errorf("%v, want %q:\n%s", err, want, b.String())
		}
	}
}

// A document says in its language what the program says in words.
func TestReportDocumentInChinese(t *testing.T) {
	r := report.New("r1", trigger.Invoke, parse(t, "version: 1\nprotect: [{name: legal, match: {tags: [x]}}]\nexpire: [{name: all, after: 7d}]\n"), asOf)
	r.Status, r.Guard.Overridden = report.Partial, "plan p was blocked: 2 media have expired and guard.maxDelete is 1; applied by a signed request"
	r.Fail(report.Failure{MediaID: "m1", Message: "another run is under way"})
	var b strings.Builder
	if err := render.ReportDocument(render.Edition{Lang: words.Chinese, Zone: time.UTC}, r).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{">部分完成<", ">调用<", ">试运行<", "由 已签名的请求 执行", ">保护<", ">另一次运行正在进行<"} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("the document lacks %q:\n%s", text, b.String())
		}
	}
}

// A failed run that looked at nothing is its error, first, and not a page of zeros.
func TestTableOfAnErrorStartsWithIt(t *testing.T) {
	r := report.New("r", trigger.CLI, nil, time.Unix(0, 0))
	r.Error = "retention.yaml:1:1: a mistake"
	r.Fail(report.Failure{Message: "a mistake"})
	r.Finish(report.Failed, time.Unix(0, 0))
	var b strings.Builder
	if err := render.WriteReport(&b, r); err != nil || !strings.HasPrefix(b.String(), "error: retention.yaml:1:1: a mistake\n") || strings.Contains(b.String(), "looked at") || strings.Count(b.String(), "a mistake") != 1 {
		t.Errorf("%v:\n%s", err, b.String())
	}
}
