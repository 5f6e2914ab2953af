package retention_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

const latestPolicy = "version: 1\nexpire: [{name: series, after: 1d, keepLatest: {count: %d, per: folder}}]\n"

func rankAt(at time.Time) retention.Rank {
	return retention.Rank{Rule: "series", Groups: []string{"oss://media-in/series/"}, Created: at.UnixNano()}
}

// A medium of this very second is not dated ahead: it pushes out an older one, and takes no room beside the count.
func TestARankOfThisSecond(t *testing.T) {
	p := parse(t, fmt.Sprintf(latestPolicy, 2))
	for _, test := range []struct {
		ahead  time.Duration
		latest bool
	}{{-time.Second, false}, {0, false}, {1, true}, {time.Second, true}} {
		r := retention.NewRanker(p, asOf)
		for i := range 4 {
			r.Add(fmt.Sprint("m", i), rankAt(asOf.Add(test.ahead)))
		}
		if got := r.IsLatest(rankAt(asOf.AddDate(0, 0, -1))); got != test.latest {
			t.Errorf("media of %v: an older one is among the latest: %v", test.ahead, got)
		}
		if newest := r.Newest(rankAt(asOf)); !test.latest && len(newest) != 2 {
			t.Errorf("media of %v: the newest are %v", test.ahead, newest)
		}
	}
}

// A ranker remembers ten thousand media that are dated ahead, and says when it has forgotten any.
func TestMediaAheadAreBounded(t *testing.T) {
	r := retention.NewRanker(parse(t, fmt.Sprintf(latestPolicy, 1)), asOf)
	old := rankAt(asOf.AddDate(0, 0, -1))
	r.Add("old", old)
	for i := range 9_999 {
		r.Add(fmt.Sprint("m", i), rankAt(asOf.Add(time.Hour)))
	}
	for after, whole := range []bool{true, false} {
		r.Add(fmt.Sprint("last", after), rankAt(asOf.Add(time.Minute-time.Duration(after))))
		from, ok := r.OutrankedFrom(old)
		if r.IsWhole() != whole || !ok || from != asOf.Add(time.Minute).UnixNano() || !r.IsLatest(old) {
			t.Errorf("whole %v, want %v; outranked from %v, %v", r.IsWhole(), whole, time.Unix(0, from).UTC(), ok)
		}
	}
	if none := (retention.Rank{}); r.IsLatest(none) {
		t.Error("a medium without a group is among the latest")
	}
}

// Media of the same second are all among the latest, in whatever order they come.
func TestTiesAreAmongTheLatest(t *testing.T) {
	p := parse(t, fmt.Sprintf(latestPolicy, 1))
	ages := map[string]int{"a": 10, "b": 10, "c": 10, "d": 11, "e": 12}
	for _, order := range []string{"abcde", "edcba", "adbec", "deabc", "caebd"} {
		var library []media.Medium
		for _, id := range strings.Split(order, "") {
			library = append(library, series(id, ages[id]))
		}
		for id, facts := range forecast(p, library, unmarked) {
			if facts.NotLatest != (ages[id] > 10) {
				t.Errorf("%s: %s is not among the latest: %v", order, id, facts.NotLatest)
			}
		}
	}
}

// A restored medium has no rank: a rule that keeps the latest keeps it, however old it is. Without a group it goes by its age.
func TestARestoredMediumHasNoRank(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: shows, after: 1d, keepLatest: {count: 1, per: \"tag:show:\"}}]\n")
	for _, test := range []struct {
		tags      []string
		unranked  bool
		notLatest bool
		want      retention.Cause
	}{
		{[]string{"show:a"}, true, true, retention.WithoutRank},
		{[]string{"show:a"}, true, false, retention.WithoutRank},
		{[]string{"show:a"}, false, true, retention.TimeIsUp},
		{[]string{"show:a"}, false, false, retention.AmongLatest},
		{nil, true, true, retention.TimeIsUp},
		{nil, true, false, retention.TimeIsUp},
	} {
		m := series("a", 10, test.tags...)
		got := retention.Decide(p, &m, retention.Facts{AsOf: asOf, NotLatest: test.notLatest, Mark: retention.Mark{Unranked: test.unranked}})
		if got.Cause != test.want || (got.Verdict == retention.Expired) != (test.want == retention.TimeIsUp) {
			t.Errorf("%+v: %s (%s)", test, got.Verdict, got.Reason())
		}
	}
}

// A hold takes a reason, a caller and a list of the largest size, and a list that names each medium once.
func TestTheLargestHold(t *testing.T) {
	ids := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("id%07d", i)
		}
		return list
	}
	for name, test := range map[string]struct {
		edit func(*retention.Hold)
		good bool
	}{
		"the longest reason": {func(h *retention.Hold) { h.Reason = strings.Repeat("x", 500) }, true},
		"the longest caller": {func(h *retention.Hold) { h.By = strings.Repeat("x", 500) }, true},
		"the longest list":   {func(h *retention.Hold) { h.Target, h.Media = "", ids(100_000) }, true},
		"a longer list":      {func(h *retention.Hold) { h.Target, h.Media = "", ids(100_001) }, false},
		"a list and an ID":   {func(h *retention.Hold) { h.Media = ids(2) }, false},
		"a medium twice":     {func(h *retention.Hold) { h.Target, h.Media = "", []string{"a", "b", "b"} }, false},
		"not in order":       {func(h *retention.Hold) { h.Target, h.Media = "", []string{"b", "a"} }, false},
		"an odd ID":          {func(h *retention.Hold) { h.Target, h.Media = "", []string{"a b"} }, false},
	} {
		h := holdOf("1", "id1", time.Time{})
		if test.edit(&h); (h.Check() == nil) != test.good {
			t.Errorf("%s: %v", name, h.Check())
		}
	}
}

// What a hold is on, whether another one says the same, and which holds a medium has.
func TestHoldsOfAMedium(t *testing.T) {
	list := []retention.Hold{
		holdOf("1", "id1", time.Time{}), holdOf("2", "oss://media-in/a/*", asOf.AddDate(0, 0, -1)), holdOf("3", "id2", time.Time{}),
		{ID: "4", Media: []string{"id0", "id1", "id2"}}, {ID: "5", Media: []string{"id0", "id2"}}, holdOf("6", "oss://media-in/b/**", time.Time{}),
	}
	if on := list[3].On(); on != "3 media" || list[0].On() != "id1" {
		t.Errorf("on %s and %s", list[0].On(), on)
	}
	own := holdsOf(t, list...).Of(&media.Medium{ID: "id1", Object: media.Object{Bucket: "media-in", Key: "a/b.mp4"}})
	var got []string
	for _, h := range own {
		got = append(got, h.ID+" on "+h.On()+" "+strings.Join(h.Media, ","))
	}
	if want := []string{"1 on id1 ", "2 on oss://media-in/a/* ", "4 on 1 media id1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if own := holdsOf(t, list...).Of(&media.Medium{Object: media.Object{Bucket: "media-in", Key: "c"}}); len(own) > 0 {
		t.Errorf("a medium without an ID has %v", own)
	}
	if len(list[3].Media) != 3 {
		t.Errorf("the hold's own list became %v", list[3].Media)
	}
	same := list[0]
	same.ID, same.At = "9", asOf
	if !same.Says(&list[0]) {
		t.Error("a hold says the same under another number, at another time")
	}
	for name, edit := range map[string]func(*retention.Hold){
		"target": func(h *retention.Hold) { h.Target = "id9" }, "list": func(h *retention.Hold) { h.Media = []string{"id9"} }, "end": func(h *retention.Hold) { h.Until = asOf },
		"reason": func(h *retention.Hold) { h.Reason = "another" }, "caller": func(h *retention.Hold) { h.By = "another" },
	} {
		other := list[0]
		if edit(&other); other.Says(&list[0]) {
			t.Errorf("a hold with another %s says the same", name)
		}
	}
}

// What is announced is shown for an expired medium only, and a change into a rule without groups is certain.
func TestExplainDetails(t *testing.T) {
	p := parse(t, "version: 1\nnotice: 7d\nexpire: [{name: old, match: {tags: [old]}, after: 1d}, {name: series, after: 30d, keepLatest: {count: 1, per: folder}}]\n")
	announced := asOf.AddDate(0, 0, -2)
	for _, test := range []struct {
		m      media.Medium
		facts  retention.Facts
		want   time.Time
		unless string // of the change by which it is tagged old
	}{
		{series("a", 40), retention.Facts{AsOf: asOf, Announced: announced}, time.Time{}, ""},
		{series("a", 40, "old"), retention.Facts{AsOf: asOf, Announced: announced}, announced, ""},
		{series("a", 3), retention.Facts{AsOf: asOf, NotLatest: true, Announced: announced}, time.Time{}, ""},
	} {
		e := retention.Explain(p, &test.m, test.facts)
		if !e.AnnouncedAt.Equal(test.want) {
			t.Errorf("%v: announced at %s, want %s", test.m.Tags, e.AnnouncedAt, test.want)
		}
		for _, change := range e.Changes {
			if change.What == "it is tagged old" && change.Unless != "" {
				t.Errorf("%s %s", change.What, change.Unless)
			}
			if strings.Contains(change.What, "tags  are") || strings.HasSuffix(change.What, "tagged ") {
				t.Errorf("a change of nothing: %q", change.What)
			}
		}
		if e.Verdict == retention.Keep && !slices.ContainsFunc(e.Changes, func(c retention.Change) bool { return c.What == "it is tagged old" }) {
			t.Errorf("changes %+v", e.Changes)
		}
	}
}

// A forecast counts what falls due on its last day, and the rest as later.
func TestTheLastDayOfAForecast(t *testing.T) {
	f := retention.NewForecast(parse(t, "version: 1\nexpire: [{name: all, after: 40d}]\n"), asOf, 30, unmarked)
	for i, age := range []int{11, 10, 9} { // due in 29, 30 and 31 days
		f.Add(series(fmt.Sprint("m", i), age), time.Time{})
	}
	f.Finish()
	if f.Days[29].Media != 1 || f.Later != 2 || f.Total.Media != 1 {
		t.Errorf("last day %+v, later %d", f.Days[29], f.Later)
	}
}

// An outlook names the day on which a medium that stays falls due.
func TestOutlookInWords(t *testing.T) {
	for want, o := range map[string]retention.Outlook{
		"expired, because":                        {Verdict: retention.Expired, Reason: "because", DueAt: asOf},
		"kept, because":                           {Verdict: retention.Keep, Reason: "because"},
		"kept, because; due 2026-07-01T00:00:00Z": {Verdict: retention.Keep, Reason: "because", DueAt: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if got := o.Text(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
