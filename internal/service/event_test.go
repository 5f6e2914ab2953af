package service

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func TestSplitEvent(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nmanifests: [\"oss://ops/inbox/**\"]\nexpire: [{name: all, after: 7d}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	object := func(key string) media.Object { return media.Object{Bucket: "ops", Key: key} }
	here := &deployment{state: state.Location{Prefix: object("state/")}, policies: policies{object: object("retention.yaml")}}
	request := &trigger.Request{
		Trigger: trigger.OSS, Ignored: []string{"a record of a bucket"},
		Objects: []media.Object{object("clip"), object("gone"), object("inbox/list.csv"), object("inbox/gone.csv"), object("inbox/folder/"), object("retention.yaml"), object("state/runs/1")},
		Removed: []media.Object{object("gone"), object("inbox/gone.csv"), object("state/runs/1")},
	}
	j := &job{Service: &Service{deployment: here, log: slog.New(slog.DiscardHandler)}, request: request, policy: p, report: &report.Report{}}
	own := j.splitEvent()
	for name, test := range map[string]struct{ got, want []media.Object }{
		"objects":   {own.Objects, []media.Object{object("clip"), object("gone")}},
		"removed":   {own.Removed, []media.Object{object("gone")}},
		"manifests": {own.Manifests, []media.Object{object("inbox/list.csv")}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s: %v; want %v", name, test.got, test.want)
		}
	}
	notes := strings.Join(j.report.Notes, "\n")
	for _, want := range []string{"ignored: a record of a bucket", "inbox/gone.csv\" is a manifest, and was deleted", "inbox/folder/\" is no list", "retention.yaml\" is the policy", "state/runs/1\" is a record of this program's"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes lack %s: %s", want, notes)
		}
	}
	if len(own.Ignored) != 5 || len(request.Ignored) != 1 || len(request.Objects) != 7 {
		t.Errorf("%d ignored; the request itself has changed: %+v", len(own.Ignored), request)
	}
}
