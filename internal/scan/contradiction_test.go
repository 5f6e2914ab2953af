package scan

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// contradiction is a way in which two answers of one scan speak of the medium "x".
type contradiction struct {
	name string
	// first and second are the answers for the two candidates. Nothing means missing.
	first, second []media.Medium
	harmless      bool // the answers agree
}

func contradictions() []contradiction {
	expired := func() media.Medium { return testMedium("x", "a", 400) }
	doubtful := expired() // as mps.Found has a medium that one answer returns twice
	doubtful.State, doubtful.Doubt = "", "MPS returned it twice with different records"
	other := testMedium("x", "z/z", 400)
	retitled := expired()
	retitled.Record = json.RawMessage(strings.Replace(string(retitled.Record), `"MediaId"`, `"Title":"t","MediaId"`, 1))
	turned := expired()
	turned.Record = json.RawMessage(`{"PublishState":"Published",` + strings.Replace(string(turned.Record[1:]), `,"PublishState":"Published"`, "", 1))
	one := func(m media.Medium) []media.Medium { return []media.Medium{m} }
	return []contradiction{
		{name: "the same record", first: one(expired()), second: one(expired()), harmless: true},
		{name: "its keys in another order", first: one(expired()), second: one(turned)},
		{name: "held", first: one(expired()), second: one(testMedium("x", "a", 400, "legal-hold"))},
		{name: "young", first: one(expired()), second: one(testMedium("x", "a", 3))},
		{name: "of another object", first: one(expired()), second: one(other)},
		{name: "with a title", first: one(expired()), second: one(retitled)},
		{name: "in doubt", first: one(expired()), second: one(doubtful)},
	}
}

// ask is a way to ask for the medium "x" twice, in two batches.
type ask struct {
	name string
	// first and second are the names that two look-ups ask for.
	first, second string
	prepare       func(c *cloud) *trigger.Request
}

// asks fill a batch between the two candidates, so that they are in different calls.
func asks() []ask {
	fill := func(c *cloud) (ids []string, keys []string) {
		for i := range 25 {
			m := testMedium(fmt.Sprintf("m%02d", i), fmt.Sprintf("m%02d", i), 3)
			c.add(m)
			ids, keys = append(ids, m.ID), append(keys, m.Object.Key)
		}
		return ids, keys
	}
	objects := func(keys ...string) (list []media.Object) {
		for _, key := range keys {
			list = append(list, objectOf(key))
		}
		return list
	}
	return []ask{
		{"objects", plainURL("a"), plainURL("z/z"), func(c *cloud) *trigger.Request {
			_, keys := fill(c)
			return &trigger.Request{Trigger: trigger.Invoke, Objects: objects(slices.Concat([]string{"a"}, keys, []string{"z/z"})...)}
		}},
		{"objects, in two forms", plainURL("a"), escapedURL("z/z"), func(c *cloud) *trigger.Request {
			_, keys := fill(c)
			return &trigger.Request{Trigger: trigger.Invoke, Objects: objects(slices.Concat([]string{"a"}, keys, []string{"z/z"})...)}
		}},
		{"the rows of a manifest", plainURL("a"), plainURL("z/z"), func(c *cloud) *trigger.Request {
			_, keys := fill(c)
			c.list = "object\n"
			for _, key := range slices.Concat([]string{"z/z"}, keys, []string{"a"}) {
				c.list += objectOf(key).String() + "\n"
			}
			return &trigger.Request{Trigger: trigger.Invoke, Manifests: []media.Object{{Bucket: "ops", Key: "list.csv"}}}
		}},
		{"a prefix", plainURL("a"), plainURL("z/z"), func(c *cloud) *trigger.Request {
			_, keys := fill(c)
			c.listed = append(keys, "a", "z/z")
			return &trigger.Request{Trigger: trigger.HTTP, Inventory: true}
		}},
		{"a daily sweep", plainURL("a"), escapedURL("z/z"), func(c *cloud) *trigger.Request {
			_, keys := fill(c)
			c.listed = append(keys, "a", "z/z")
			return daily
		}},
	}
}

// An answer to other IDs contradicts a medium too. A medium that nobody asks for counts
// nowhere.
func TestAnswersWithMediaThatNobodyAskedFor(t *testing.T) {
	for _, test := range contradictions() {
		for _, x := range []int{0, 20} {
			c := newCloud(t)
			var ids []string
			for i := range 21 {
				m := testMedium(fmt.Sprintf("m%02d", i), fmt.Sprintf("m%02d", i), 3)
				c.add(m)
				ids = append(ids, m.ID)
			}
			ids[x] = "x"
			c.answers["x"] = test.first
			c.answers[ids[20-x]] = append(c.answers[ids[20-x]], test.second...)
			c.answers["m10"] = append(c.answers["m10"], testMedium("y", "y", 400))
			got := c.scan(t.Context(), c.scanner(testPolicy), &trigger.Request{Trigger: trigger.Invoke, MediaIDs: ids})
			want := 0
			if test.harmless {
				want = 1
			}
			if got.counts.Looked != 21 || got.counts.Expired != want || got.counts.Unknown != 1-want || slices.Contains(got.ids, "x") != test.harmless {
				t.Errorf("%s at %d: %+v, planned %v", test.name, x, got.counts, got.ids)
			}
		}
	}
}

// A medium with different records in two answers is unknown: it counts once, and it
// stands in no plan.
func TestAnswersThatContradictEachOther(t *testing.T) {
	for _, ask := range asks() {
		for _, test := range contradictions() {
			for _, turned := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/%v", ask.name, test.name, turned), func(t *testing.T) {
					c := newCloud(t)
					request := ask.prepare(c)
					first, second := test.first, test.second
					if turned {
						first, second = second, first
					}
					c.answers[ask.first], c.answers[ask.second] = first, second
					s := c.scanner(testPolicy)
					got := c.scan(t.Context(), s, request)
					if got.found.End() != nil {
						t.Fatal(got.found.End())
					}
					want := 0
					if test.harmless {
						want = 1
					}
					if in := slices.Contains(got.ids, "x"); in != test.harmless || got.counts.Looked != 26 || got.counts.Unknown != 1-want || got.counts.Expired != want {
						t.Errorf("in the plan: %v; %+v", in, got.counts)
					}
				})
			}
		}
	}
}

// A survey hands a medium over once, as the sweep decides on it: one with different records is in doubt.
func TestSurveysOfContradictions(t *testing.T) {
	for _, ask := range asks() {
		for _, test := range contradictions() {
			c := newCloud(t)
			request := ask.prepare(c)
			c.answers[ask.first], c.answers[ask.second] = test.first, test.second
			handed := map[string][]media.Medium{}
			found := c.scanner(testPolicy).Survey(t.Context(), Request{Request: request, AsOf: now}, func(m media.Medium) { handed[m.ID] = append(handed[m.ID], m) })
			found.Close()
			if x := handed["x"]; len(handed) != 26 || len(x) != 1 || (x[0].Doubt == "") != test.harmless || found.Counts.Looked != 0 {
				t.Errorf("%s, %s: %d media, %+v, %+v", ask.name, test.name, len(handed), x, found.Counts)
			}
		}
	}
}

// A medium that a list names with another object is handed over by no survey, whatever else names it. Nor is one twice.
func TestSurveysOfContradictedRows(t *testing.T) {
	for name, list := range map[string]string{
		"a row": "mx,oss://media-in/other\n", "after another": "mx,\nmx,oss://media-in/other\n", "before another": "mx,oss://media-in/other\nmx,\n", "with the object": ",oss://media-in/a\nmx,oss://media-in/other\n",
	} {
		c := newCloud(t)
		c.add(testMedium("mx", "a", 400))
		c.add(testMedium("my", "b", 400))
		c.listed, c.list = []string{"a", "b"}, "mediaId,object\nmy,\n"+list
		const rules = "version: 1\ninventory: [{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}]\nexpire: [{name: old, after: 180d}]\n"
		request := &trigger.Request{Trigger: trigger.HTTP, Inventory: true}
		run := c.scan(t.Context(), c.scanner(rules), request)
		var handed []string
		found := c.scanner(rules).Survey(t.Context(), Request{Request: request, AsOf: now}, func(m media.Medium) { handed = append(handed, m.ID) })
		found.Close()
		if unknown := found.Counts.Unknown; !slices.Equal(handed, []string{"my"}) || !slices.Equal(run.ids, handed) || unknown != run.counts.Unknown || unknown != 1 {
			t.Errorf("%s: handed over %v, planned %v, unknown %d and %d", name, handed, run.ids, unknown, run.counts.Unknown)
		}
	}
}

// The first sighting is in a checkpoint, the second one is of the resumed scan.
func TestAResumedScanContradictsItsCheckpoint(t *testing.T) {
	for _, ask := range asks() {
		if ask.name != "a daily sweep" {
			continue
		}
		for _, test := range contradictions() {
			for _, turned := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v", test.name, turned), func(t *testing.T) {
					c := newCloud(t)
					request := ask.prepare(c)
					first, second := test.first, test.second
					if turned {
						first, second = second, first
					}
					c.answers[ask.first], c.answers[ask.second] = first, second
					s := c.scanner(testPolicy)
					ctx, cancel := context.WithCancel(t.Context())
					c.before = func(call int) error {
						if call == 3 {
							cancel()
						}
						return nil
					}
					cut := c.scan(ctx, s, request)
					if cut.found.Stopped == nil || cut.counts.Looked == 0 {
						t.Fatalf("not cut off: %v, %+v", cut.found.End(), cut.counts)
					}
					c.before = nil
					got := c.scan(t.Context(), s, request)
					want := 0
					if test.harmless {
						want = 1
					}
					if !got.found.Origin.isHint || slices.Contains(got.ids, "x") != test.harmless || got.counts.Looked != 26 || got.counts.Unknown != 1-want {
						t.Errorf("resumed: %v; %+v, planned %v", got.found.Origin.isHint, got.counts, got.ids)
					}
				})
			}
		}
	}
}

// The index hides no candidate of a medium that answers contradict: once the answers agree
// the medium is decided on.
func TestTheIndexHidesNoContradiction(t *testing.T) {
	for _, ask := range asks() {
		if ask.name != "a daily sweep" {
			continue
		}
		for _, test := range contradictions() {
			for _, turned := range []bool{false, true} {
				if test.harmless || test.first[0].Object != test.second[0].Object {
					continue // in one batch the answer to one URL is that to the other one
				}
				c := newCloud(t)
				request := ask.prepare(c)
				first, second := test.first, test.second
				if turned {
					first, second = second, first
				}
				c.answers[ask.first], c.answers[ask.second] = first, second
				s := c.scanner(testPolicy)
				for day := range 3 {
					s.Now = func() time.Time { return now.AddDate(0, 0, day) }
					c.calls = 0
					got := c.scan(t.Context(), s, request, fmt.Sprint("run-", day))
					if got.counts.Unknown != 1 || slices.Contains(got.ids, "x") || day > 0 && (got.found.Skipped < 20 || got.counts.Looked != 1) {
						t.Errorf("%s, %v, day %d: %+v, planned %v, %d passed", test.name, turned, day, got.counts, got.ids, got.found.Skipped)
					}
				}
				c.answers[ask.first], c.answers[ask.second] = []media.Medium{testMedium("x", "a", 400)}, nil
				s.Now = func() time.Time { return now.AddDate(0, 0, 4) }
				if got := c.scan(t.Context(), s, request, "run-4"); !slices.Equal(got.ids, []string{"x"}) {
					t.Errorf("%s, %v: planned %v when the answers agree", test.name, turned, got.ids)
				}
			}
		}
	}
}

// A medium of a plan is read by its ID, and once more with its group by its object. Keys in
// another order are no contradiction: the medium is deleted.
func TestKeysInAnotherOrder(t *testing.T) {
	c := newCloud(t)
	s := c.scanner(testPolicy)
	m := testMedium("x", "series/a/x", 90)
	turned := m
	turned.Record = json.RawMessage(`{"PublishState":"Published",` + strings.Replace(string(m.Record[1:]), `,"PublishState":"Published"`, "", 1))
	if turned, err := media.Parse(turned.Record); err != nil || turned.Doubt != "" || turned.State != m.State {
		t.Fatalf("%+v, %v", turned, err)
	}
	for i := range 2 {
		key := fmt.Sprint("series/a/n", i)
		c.listed = append(c.listed, key)
		c.add(testMedium(fmt.Sprint("n", i), key, 3))
	}
	c.listed = append(c.listed, m.Object.Key)
	c.answers["x"], c.answers[plainURL(m.Object.Key)] = []media.Medium{m}, []media.Medium{m}
	contents := c.planOfOne(s, &trigger.Request{Trigger: trigger.HTTP, Inventory: true})
	c.answers[plainURL(m.Object.Key)] = []media.Medium{turned}
	survey := decider{surveys: true}
	one, _, oneErr := survey.decide(lookup.Found{Medium: m, Candidate: inventory.Candidate{MediaID: "x"}})
	other, _, otherErr := survey.decide(lookup.Found{Medium: turned, Candidate: inventory.Candidate{Object: m.Object}})
	if err := cmp.Or(oneErr, otherErr); err != nil {
		t.Fatal(err)
	}
	one.merge(other)
	if again, ok, err := one.surveyed(); !ok || err != nil || again.Doubt != "" || again.State != m.State || again.Object != m.Object {
		t.Errorf("a survey has %+v, %v, %v", again, ok, err)
	}
	got := c.scan(t.Context(), s, &trigger.Request{Trigger: trigger.HTTP, Plan: contents.ID})
	if !slices.Equal(got.ids, []string{"x"}) || got.counts.Unknown != 0 || got.counts.Looked != 1 {
		t.Errorf("%v, %+v, planned %v", got.found.End(), got.counts, got.ids)
	}
}
