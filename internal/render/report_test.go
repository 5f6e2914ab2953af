package render_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
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
	for _, text := range []string{"hold", "protect", "blocked: too many", "error: an error", "m1: gone wrong", "within 90 days, 3 of them within seven"} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("the table lacks %q:\n%s", text, b.String())
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
