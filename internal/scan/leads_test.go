package scan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
)

// sourcesGone is a cloud without the source objects of media.
type sourcesGone struct{ *cloud }

func (sourcesGone) Exists(context.Context, media.Object) (bool, error) { return false, nil }

// announce returns what an event announced.
func (c *cloud) announce(list ...announce.Entry) *announce.Reader {
	c.t.Helper()
	week, err := policy.ParsePeriod("7d")
	if err != nil {
		c.t.Fatal(err)
	}
	later := now.AddDate(0, 0, 1)
	open := func() *announce.Reader {
		r, err := announce.Open(c.t.Context(), c.store, announce.Query{Policy: &policy.Policy{Notice: week, Timezone: time.UTC}, Region: region, AsOf: later, Now: later})
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(r.Close)
		return r
	}
	update := open().Update()
	for _, e := range list {
		err = errors.Join(err, update.Keep(c.t.Context(), e, true))
	}
	if err = errors.Join(err, update.Commit(c.t.Context(), later)); err != nil {
		c.t.Fatal(err)
	}
	return open()
}

// The index hides no lead: an orphan that an event announced is looked up, though the index has nothing due
// for its ID. A lead that has not expired is not due: without an announcement no sweep will look at it.
func TestLeadsAndTheIndex(t *testing.T) {
	c := newCloud(t)
	s := c.scanner(orphaning)
	c.list = "mediaId,object\nyoung,\n"
	c.add(testMedium("young", "clips/young", 170))
	foreign := testMedium("foreign", "clips/foreign", 170)
	foreign.Object.Bucket = "others"
	c.add(foreign)
	if first := c.scan(t.Context(), s, daily, "first"); first.counts.Looked != 1 || len(first.found.Due) != 1 {
		t.Fatalf("%+v, due %v", first.counts, first.found.Due)
	}
	s.Now = func() time.Time { return now.AddDate(0, 0, 1) }
	second := c.scan(t.Context(), s, daily, "second")
	if second.found.Skipped != 1 {
		t.Fatalf("the index skips %d", second.found.Skipped)
	}
	announced := c.announce(announce.Entry{MediaID: "young", Orphan: true}, announce.Entry{MediaID: "foreign"})
	s.Announced, s.Objects = announced, sourcesGone{c}
	if third := c.scan(t.Context(), s, daily, "third"); !slices.Equal(third.ids, []string{"young"}) || third.counts.Looked != 2 || len(third.found.Due) != 0 {
		t.Errorf("%+v, %d skipped, due %v", third.counts, third.found.Skipped, third.found.Due)
	}
}

// orphaning is testPolicy with a rule for media whose source objects were removed.
var orphaning = strings.Replace(testPolicy, "expire:\n", "expire:\n  - {name: orphans, onSourceRemoved: true}\n", 1)

// An orphan that an event announced expires, although a list from before still names its removed object.
func TestAnOrphanThatAListNames(t *testing.T) {
	for name, age := range map[string]int{"young": 3, "the rule for old ones takes it too": 400} {
		c := newCloud(t)
		s := c.scanner(orphaning)
		c.list = "mediaId,object\n,oss://media-in/clips/gone\n,oss://media-in/clips/there\n"
		c.add(testMedium("gone", "clips/gone", age))
		c.add(testMedium("there", "clips/there", 3))
		s.Announced, s.Objects = c.announce(announce.Entry{MediaID: "gone", Orphan: true}), sourcesGone{c}
		if got := c.scan(t.Context(), s, daily); !slices.Equal(got.ids, []string{"gone"}) || got.counts.Looked != 2 || got.found.Missing || got.found.Rule("orphans").Expired != 1 {
			t.Errorf("%s: %+v, planned %v", name, got.counts, got.ids)
		}
	}
}

// sourcesUnknown is a cloud whose source objects cannot be checked.
type sourcesUnknown struct{ *cloud }

func (sourcesUnknown) Exists(context.Context, media.Object) (bool, error) {
	return false, errors.New("cannot be checked")
}

// A medium whose source object cannot be checked is missing, unless it stays or expires in either case.
func TestOrphansThatCannotBeChecked(t *testing.T) {
	c := newCloud(t)
	s := c.scanner(orphaning)
	var announced []announce.Entry
	for id, m := range map[string]media.Medium{"held": testMedium("held", "held", 3, "legal-hold"), "old": testMedium("old", "old", 400), "young": testMedium("young", "young", 3)} {
		c.add(m)
		announced = append(announced, announce.Entry{MediaID: id, Orphan: true})
	}
	c.list = "mediaId,object\nother,\n" // in one batch with the orphans
	c.add(testMedium("other", "other", 3))
	s.Announced, s.Objects = c.announce(announced...), sourcesUnknown{c}
	got := c.scan(t.Context(), s, daily)
	if want := (report.Counts{Looked: 3, Protected: 1, Kept: 1, Expired: 1, Pending: 1}); got.counts != want || !slices.Equal(got.ids, []string{"old"}) || !got.found.Missing {
		t.Errorf("%+v, planned %v, missing %v", got.counts, got.ids, got.found.Missing)
	}
	var objects []string
	for _, failure := range got.found.Failures {
		objects = append(objects, failure.Object)
	}
	if slices.Sort(objects); !slices.Equal(objects, []string{"oss://media-in/held", "oss://media-in/old", "oss://media-in/young"}) {
		t.Errorf("failures %+v", got.found.Failures)
	}
}

// A medium that a list contradicts outranks no other, and no lead does that the inventory does not name: explain, forecast, diff
// and an apply do not look at it.
func TestWhatOutranksNoOther(t *testing.T) {
	lead := announce.Entry{MediaID: "newer"}
	for name, test := range map[string]struct {
		list  string
		leads []announce.Entry
		want  []string
	}{
		"the inventory names it":                  {"newer,\n", nil, []string{"old"}},
		"a list contradicts it":                   {"newer,oss://media-in/x\n", nil, nil},
		"an event led to it":                      {"", []announce.Entry{lead}, nil},
		"an event led to it, and a list names it": {"newer,\n", []announce.Entry{lead}, []string{"old"}},
	} {
		c := newCloud(t)
		s := c.scanner(strings.Replace(testPolicy, "count: 2", "count: 1", 1))
		c.listed, c.list = []string{"series/old"}, "mediaId,object\n"+test.list
		c.add(testMedium("old", "series/old", 400))
		c.add(testMedium("newer", "series/newer", 100))
		s.Announced = c.announce(test.leads...)
		if got := c.scan(t.Context(), s, daily); !slices.Equal(got.ids, test.want) || got.counts.Looked != 2 {
			t.Errorf("%s: planned %q, want %q, %+v", name, got.ids, test.want, got.counts)
		}
	}
}
