package plan_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
)

type sealed struct {
	plan.Head
	Entries []plan.Entry
}

func sample() sealed {
	return sealed{
		Head: plan.Head{AsOf: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC), Policy: "sha256:p", Scope: plan.Scope{MediaIDs: []string{"a", "b", "c"}}},
		Entries: []plan.Entry{
			{MediaID: "a", Rule: "r", Record: json.RawMessage(`{"MediaId":"a","CateId":123456789012345678,"Tags":{"Tag":["x"]}}`)},
			{MediaID: "b", Rule: "r", Record: json.RawMessage(`{"MediaId":"b"}`)},
		},
	}
}

func seal(t *testing.T, p sealed) (id, content string) {
	t.Helper()
	sealer, err := plan.NewSealer(p.Head)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(p.Entries, func(a, b plan.Entry) int { return strings.Compare(a.MediaID, b.MediaID) })
	for _, entry := range p.Entries {
		line, err := entry.Line()
		if err != nil {
			t.Fatal(err)
		}
		sealer.Add(line)
		content += string(line)
	}
	return sealer.ID(), content
}

func TestSealIsIndifferentToOrder(t *testing.T) {
	want, content := seal(t, sample())
	if !strings.HasPrefix(want, "sha256:") || !strings.Contains(content, "123456789012345678") {
		t.Errorf("plan %s: %s", want, content)
	}
	for range 20 {
		p := sample()
		rand.Shuffle(len(p.Entries), func(i, j int) { p.Entries[i], p.Entries[j] = p.Entries[j], p.Entries[i] })
		rand.Shuffle(len(p.Scope.MediaIDs), func(i, j int) {
			p.Scope.MediaIDs[i], p.Scope.MediaIDs[j] = p.Scope.MediaIDs[j], p.Scope.MediaIDs[i]
		})
		for i := range p.Entries {
			if p.Entries[i].MediaID == "a" {
				p.Entries[i].Record = json.RawMessage("{ \"Tags\": {\"Tag\":[\"x\"]},\n \"CateId\":123456789012345678, \"MediaId\":\"a\"}")
			}
		}
		if got, _ := seal(t, p); got != want {
			t.Fatalf("another order is another plan: %s, %s", got, want)
		}
	}
}

func TestSealSeesEveryDifference(t *testing.T) {
	base, _ := seal(t, sample())
	for name, change := range map[string]func(*sealed){
		"clock":  func(p *sealed) { p.AsOf = p.AsOf.Add(time.Second) },
		"policy": func(p *sealed) { p.Policy = "sha256:q" },
		"scope":  func(p *sealed) { p.Scope.MediaIDs = p.Scope.MediaIDs[:2] },
		"entry":  func(p *sealed) { p.Entries = p.Entries[:1] },
		"rule":   func(p *sealed) { p.Entries[0].Rule = "other" },
		"record": func(p *sealed) { p.Entries[0].Record = json.RawMessage(`{"MediaId":"a"}`) },
	} {
		p := sample()
		change(&p)
		if id, _ := seal(t, p); id == base {
			t.Errorf("another %s is the same plan", name)
		}
	}
}
