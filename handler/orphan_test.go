package handler_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

var orphaning = strings.Replace(enforcing, "expire:", "expire:\n  - {name: orphans, onSourceRemoved: true}", 1)

func removal(name string, keys ...string) string {
	var records []string
	for _, key := range keys {
		text, _ := json.Marshal(key)
		records = append(records, fmt.Sprintf(`{"eventName":%q,"oss":{"bucket":{"name":"media-in"},"object":{"key":%s}}}`, name, text))
	}
	return `{"events":[` + strings.Join(records, ",") + `]}`
}

// A medium goes with its source only after an event that says so and a HEAD that says
// so too; and it cannot be restored, which the report says.
func TestSourcesThatAreRemoved(t *testing.T) {
	library := func(t *testing.T, policy string) *world {
		w := newWorld(t, emulator.Config{}, policy)
		w.add("clips/gone", 3)
		w.add("clips/there", 3)
		w.add("clips/held", 3, "legal-hold")
		w.e.PutObject("media-in", "clips/there", nil, time.Now())
		w.e.RemoveObject("media-in", "clips/gone")
		w.e.RemoveObject("media-in", "clips/held")
		return w
	}
	deleted := func(w *world) (keys []string) {
		for _, m := range w.e.Media() {
			if m.Deleted {
				keys = append(keys, m.Key)
			}
		}
		return keys
	}
	tests := []struct {
		name, policy, payload string
		status                report.Status
		deleted               string
		heads                 int
	}{
		{"deleted", orphaning, removal("ObjectRemoved:DeleteObject", "clips/gone"), report.Done, "[clips/gone]", 1},
		{"deleted with others", orphaning, removal("ObjectRemoved:DeleteObjects", "clips/gone", "clips/there", "clips/held"), report.Done, "[clips/gone]", 3},
		{"through EventBridge", orphaning, `{"specversion":"1.0","source":"acs.oss","type":"oss:ObjectRemoved:DeleteObject","data":` +
			strings.TrimSuffix(strings.TrimPrefix(removal("oss:ObjectRemoved:DeleteObject", "clips/gone"), `{"events":[`), `]}`) + `}`, report.Done, "[clips/gone]", 1},
		{"there again", orphaning, removal("ObjectRemoved:DeleteObject", "clips/there"), report.Done, "[]", 1},
		{"protected", orphaning, removal("ObjectRemoved:DeleteObject", "clips/held"), report.Done, "[]", 1},
		{"created", orphaning, removal("ObjectCreated:PutObject", "clips/gone"), report.Done, "[]", 0},
		{"an upload given up", orphaning, removal("ObjectRemoved:AbortMultipartUpload", "clips/gone"), report.Done, "[]", 0},
		{"an event of another day", orphaning, removal("ObjectRemoved:SomethingNew", "clips/gone"), report.Done, "[]", 0},
		{"no names", orphaning, `{"events":[{"eventName":"ObjectRemoved:DeleteObjects","oss":{"bucket":{"name":"media-in"},"object":{}}}]}`, report.Done, "[]", 0},
		{"no rule for it", enforcing, removal("ObjectRemoved:DeleteObject", "clips/gone"), report.Done, "[]", 0},
		{"no rule for its object", strings.Replace(orphaning, "onSourceRemoved", `match: {object: ["oss://media-in/drafts/**"]}, onSourceRemoved`, 1), removal("ObjectRemoved:DeleteObject", "clips/gone"), report.Done, "[]", 0},
		{"a timer", orphaning, everything, report.Done, "[]", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := library(t, test.policy)
			r := w.mustInvoke(test.payload, test.status)
			if got := fmt.Sprint(deleted(w)); got != test.deleted {
				t.Errorf("deleted %s, want %s", got, test.deleted)
			}
			if heads := w.e.Count()["HeadObject"]; heads != test.heads {
				t.Errorf("%d times asked for a source, want %d", heads, test.heads)
			}
			if told := strings.Contains(strings.Join(r.Notes, " "), "cannot be restored"); told != (test.deleted != "[]") {
				t.Errorf("notes %q", r.Notes)
			}
			w.noViolations()
		})
	}
	t.Run("OSS does not tell", func(t *testing.T) {
		w := library(t, orphaning)
		w.e.Inject(emulator.Fault{Operation: "HeadObject", Kind: emulator.Forbidden})
		r := w.mustInvoke(removal("ObjectRemoved:DeleteObject", "clips/gone"), report.Partial)
		if len(deleted(w)) > 0 || len(r.Failures) != 1 || r.Failures[0].Object != "oss://media-in/clips/gone" {
			t.Errorf("deleted %q, %+v", deleted(w), r.Failures)
		}
	})
	t.Run("a plan for review", func(t *testing.T) {
		w := library(t, strings.Replace(orphaning, "mode: enforce", "mode: dry-run", 1))
		w.add("clips/back", 3)
		w.e.RemoveObject("media-in", "clips/back")
		planned := w.mustInvoke(removal("ObjectRemoved:DeleteObjects", "clips/gone", "clips/back"), report.Done)
		if planned.Counts.Expired != 2 {
			t.Fatalf("%+v", planned.Counts)
		}
		w.e.PutObject("media-in", "clips/back", nil, time.Now())
		w.setPolicy(orphaning)
		r := w.mustInvoke(`{"mode":"enforce","plan":"`+planned.Plan+`"}`, report.Done)
		if got := fmt.Sprint(deleted(w)); got != "[clips/gone]" || r.Counts.Kept != 1 {
			t.Errorf("deleted %s, %+v", got, r.Counts)
		}
	})
}
