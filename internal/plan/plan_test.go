package plan_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/media"
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

// The contents of a plan with a huge scope can be read back, and have the plan's ID. Every name of the
// scope changes the ID.
func TestAScopeOfLongNames(t *testing.T) {
	id := func(names []string) string {
		c := plan.Contents{Head: plan.Head{AsOf: sample().AsOf, Policy: "sha256:p", Scope: plan.Scope{Objects: names}}, Entries: 1}
		sealer, err := plan.NewSealer(c.Head)
		if err != nil {
			t.Fatal(err)
		}
		c.ID = sealer.ID()
		c.Segments = []string{plan.SegmentName(c.ID, 1)}
		record, err := c.Record()
		if err != nil {
			t.Fatalf("%d names: %v", len(names), err)
		}
		read, err := plan.ParseContents(record)
		if err != nil || read.Sealer().ID() != c.ID || len(record) > 2*plan.MaxScope {
			t.Fatalf("%d names in %d bytes are of another plan: %v", len(names), len(record), err)
		}
		return c.ID
	}
	for _, n := range []int{1, 100, 11_500} {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("oss://media-in/%s%05d", strings.Repeat("<", 1000), i))
		}
		whole := id(names)
		slices.Reverse(names)
		if again := id(names); again != whole {
			t.Errorf("%d names in another order: %s, %s", n, again, whole)
		}
		names[n/2] += "x"
		if another := id(names); another == whole {
			t.Errorf("%d names: another one is the same plan", n)
		}
	}
}

func FuzzContents(f *testing.F) {
	id := "sha256:" + strings.Repeat("0", 64)
	f.Add(fmt.Appendf(nil, `{"id":%q,"head":{"format":1,"asOf":"2026-01-01T00:00:00Z","policy":"p","scope":{"inventory":["oss://a/"]}},"entries":1,"segments":[%q]}`, id, plan.SegmentName(id, 1)))
	f.Add([]byte(`{"id":"","head":{"format":1,"asOf":"2026-01-01T00:00:00Z","policy":"p","scope":{"inventory":["oss://a/"]}},"entries":0,"segments":[]}`)) // without media
	f.Add([]byte("{}"))
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		c, err := plan.ParseContents(data)
		if err != nil {
			return
		}
		if c.Entries < len(c.Segments) || len(c.Segments) == 0 && c.Entries > 0 {
			t.Errorf("%d entries in %d segments", c.Entries, len(c.Segments))
		}
		if record, err := c.Record(); err != nil {
			t.Errorf("what was read cannot be written: %v, %s", err, record)
		}
		_ = c.Sealer().ID()
	})
}

// An entry's line is read once, with the medium of its record, and refused wherever it is damaged.
func TestParseEntry(t *testing.T) {
	line := func(record string) string {
		return `{"mediaId":"a","rule":"r","reason":"","expiresAt":"2026-01-01T00:00:00Z","state":"Published","record":` + record + "}\n"
	}
	for name, test := range map[string]struct{ line, title, says string }{
		"record":          {line(`{"MediaId":"a","Title":"x\u00e9"}`), "xé", ""},
		"no object":       {line(`7`), "", ""},
		"not UTF-8":       {line("{\"Title\":\"x\xff\"}"), "", ""},
		"no JSON":         {line(`{"Title":"x",}`), "", "not JSON"},
		"ends early":      {line(`{"Title":"x"}`)[:100], "", "not JSON"},
		"something more":  {line(`{"Title":"x"}`) + "{}", "", "not JSON"},
		"nested too deep": {line(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), "", "not JSON"},
		"no record":       {`{"mediaId":"a","rule":"r"}`, "", "no record"},
		"list":            {`[]`, "", "a JSON object is expected"},
		"wrong field":     {`{"mediaId":7,"rule":"r","record":{}}`, "", "mediaId: a text is expected"},
	} {
		e, m, err := plan.ParseEntry([]byte(test.line))
		if test.says == "" && (err != nil || e.MediaID != "a" || m.Title.Value != test.title) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: entry %+v, title %q, error %v", name, e, m.Title.Value, err)
		}
		l := plan.Line{Text: []byte(test.line)}
		want, recordErr := media.Parse(e.Record)
		switch parseErr := l.Parse(); {
		case (parseErr == nil) != (err == nil && recordErr == nil):
			t.Errorf("%s: parsed with %v; the entry has %v, its record %v", name, parseErr, err, recordErr)
		case parseErr == nil && !cmp.Equal(*l.Medium, want):
			t.Errorf("%s: parsed as %+v, want %+v", name, *l.Medium, want)
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"mediaId":"a","rule":"r","reason":"","expiresAt":"2026-01-01T00:00:00Z","state":"Published","record":{"MediaId":"a"}}`))
	f.Add([]byte("{}"))
	fuzztest.Fuzz(f, func(t *testing.T, line []byte) {
		e, _, err := plan.ParseEntry(line)
		if err != nil {
			return
		}
		again, err := e.Line()
		if err != nil {
			return // its record is none
		}
		if read, _, err := plan.ParseEntry(again); err != nil || read.MediaID != e.MediaID || !plan.HasRecord(again, e.Record) {
			t.Errorf("%s comes back as %s, %v", line, again, err)
		}
	})
}
