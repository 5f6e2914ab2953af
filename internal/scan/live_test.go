package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// The guard counts the live media of a scan. What a checkpoint claims is bounded by what the sources name up to its place.
func TestLive(t *testing.T) {
	upTo := inventory.Candidate{Object: objectOf("c")}.Name()
	for name, test := range map[string]struct {
		guard      string
		claimed    int // by a checkpoint; -1 for a scan that was not resumed
		sorted     bool
		none       bool // nothing has expired
		live, most int
	}{
		"in one go":             {claimed: -1, live: 12, most: 12},
		"a claim of too many":   {claimed: 6, live: 9, most: 12},
		"a claim of too few":    {claimed: 2, live: 12, most: 13},
		"a true claim":          {claimed: 3, live: 12, most: 12},
		"a claim of more still": {claimed: 20, live: 3, most: 20},
		"nothing has expired":   {claimed: 6, none: true, live: 12, most: 12},
		"without a percentage":  {guard: "guard: {maxPercent: 100}\n", claimed: 6, live: 12, most: 12},
		"almost without":        {guard: "guard: {maxPercent: 99.9}\n", claimed: 6, live: 9, most: 12},
		"of sorted listings":    {claimed: 6, sorted: true, live: 6, most: 12},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.listed = []string{"a", "b", "c", "d", "e"}
			s := c.scanner(testPolicy+test.guard).newScan(t.Context(), t.Context(), Request{Request: daily, AsOf: now}, test.sorted)
			defer s.close()
			s.skips = skips{skippedLive: 7, rediscovered: 2}
			if test.claimed >= 0 {
				s.Origin = Origin{isHint: true, prefixes: []media.Object{{Bucket: "media-in"}}}
				s.Origin.claim = claim{live: test.claimed, upTo: upTo}
			}
			s.Counts = report.Counts{Looked: 10, Absent: 3, Expired: 4}
			if test.none {
				s.Counts.Expired = 0
			}
			live, most, err := s.countLive(t.Context())
			if err != nil || live != test.live || most != test.most {
				t.Errorf("%d to %d, %v; want %d to %d", live, most, err, test.live, test.most)
			}
		})
	}
}

// A checkpoint claims about as many live media as its scan has looked at.
func TestTheClaimOfACheckpoint(t *testing.T) {
	r := newResumable(t, 300)
	whole := r.calls
	if got := r.scan(0, false); got.found.End() != nil {
		t.Fatal(got.found.End())
	}
	whole = r.calls - whole
	r = newResumable(t, 300)
	cut := r.scan(whole-2, false)
	next := r.resume()
	defer next.close()
	live := cut.counts.Looked - cut.counts.Absent
	if claimed := next.Origin.claim.live; claimed < live || claimed > live*5/4 || live < 100 || cut.counts.Absent == 0 { // it may have a medium several times
		t.Errorf("%d claimed, %+v", claimed, cut.counts)
	}
}

// An object without a medium is looked up again until it is a day old. A hold changes no day on which a medium is looked up.
func TestWhenACandidateIsLookedUpAgain(t *testing.T) {
	s := newCloud(t).scanner(testPolicy)
	d := decider{policy: s.Policy, asOf: now, indexes: true}
	for age, want := range map[time.Duration]int64{24 * time.Hour: index.Never, 24*time.Hour - time.Second: 0, 0: 0, -time.Hour: 0} {
		if got := dueWithoutMedium(inventory.Candidate{Modified: now.Add(-age).Unix()}, now); got != want {
			t.Errorf("%v old: %d, want %d", age, got, want)
		}
	}
	if got := dueWithoutMedium(inventory.Candidate{}, now); got != 0 {
		t.Errorf("of no time: %d", got)
	}
	m := testMedium("m", "m", 10)
	facts := retention.Facts{AsOf: now, NotLatest: true}
	c := retention.NewCase(s.Policy, &m)
	want := d.dueOf(c, facts, retention.Keep)
	if want != m.Created.AddDate(0, 0, 180).Unix() {
		t.Errorf("due at %d", want)
	}
	for _, mark := range []retention.Mark{{Hold: &retention.Hold{ID: "1", Target: "m"}}, {MayHold: &retention.Hold{ID: "1", Target: "oss://media-in/**"}}} {
		held := facts
		held.Mark = mark
		if got := d.dueOf(c, held, retention.Protected); got != want {
			t.Errorf("held: due at %d, want %d", got, want)
		}
	}
	if got := d.dueOf(c, facts, retention.Unknown); got != 0 {
		t.Errorf("unknown: due at %d", got)
	}
}

// Unknown media are looked up every time: the index hides no object for which MPS returned the medium of another one.
func TestTheIndexHidesNoStray(t *testing.T) {
	c := newCloud(t)
	c.listed = []string{"flat", "folder/nested"}
	for i, key := range c.listed {
		c.answers[plainURL(key)] = []media.Medium{testMedium(fmt.Sprint("x", i), fmt.Sprint("elsewhere/", i), 400)}
	}
	s := c.scanner(testPolicy)
	for day := range 3 {
		s.Now = func() time.Time { return now.AddDate(0, 0, day) }
		if got := c.scan(t.Context(), s, daily, fmt.Sprint("run-", day)); got.counts.Unknown != 2 || got.found.Skipped != 0 {
			t.Errorf("day %d: %+v, %d skipped", day, got.counts, got.found.Skipped)
		}
	}
}

// Nor does it hide a candidate whose answer has a medium that nobody asked for: what contradicts another medium is seen every day.
func TestTheIndexHidesNoWitness(t *testing.T) {
	for _, listed := range []bool{true, false} {
		c := newCloud(t)
		c.list = "mediaId,object\n"
		for i := range 25 {
			id, age := fmt.Sprintf("m%02d", i), 3
			if i == 0 {
				age = 400
			}
			c.add(testMedium(id, id, age))
			if listed {
				c.listed = append(c.listed, id)
			} else {
				c.list += id + ",\n"
			}
		}
		last := plainURL("m24")
		if !listed {
			last = "m24"
		}
		c.answers[last] = append(c.answers[last], testMedium("m00", "elsewhere", 3))
		s := c.scanner(testPolicy)
		for day := range 3 {
			s.Now = func() time.Time { return now.AddDate(0, 0, day) }
			if got := c.scan(t.Context(), s, daily, fmt.Sprint("run-", day)); len(got.ids) > 0 || listed && got.counts.Unknown != 1 || day > 0 && got.found.Skipped < 15 {
				t.Errorf("by objects: %v, day %d: %+v, planned %v, %d skipped", listed, day, got.counts, got.ids, got.found.Skipped)
			}
		}
	}
}

// The index of one region hides nothing in another one, which has a library of its own.
func TestTheIndexOfAnotherRegion(t *testing.T) {
	c := newCloud(t)
	c.listed = []string{"a"}
	s := c.scanner(testPolicy)
	s.Region = "cn-beijing" // whose library has no medium
	first := c.scan(t.Context(), s, daily, "first")
	c.add(testMedium("x", "a", 400))
	s.Region = region
	if second := c.scan(t.Context(), s, daily, "second"); first.counts.ObjectsWithoutMedia != 1 || second.found.Skipped != 0 || !slices.Equal(second.ids, []string{"x"}) {
		t.Errorf("%+v; %+v, %d skipped, planned %v", first.counts, second.counts, second.found.Skipped, second.ids)
	}
}

// Reading a list stops after ten thousand bad rows, and the scan is not whole.
func TestBadRows(t *testing.T) {
	for bad, read := range map[int]bool{9_999: true, 10_000: false, 10_001: false} {
		c := newCloud(t)
		c.add(testMedium("last", "last", 400))
		c.list = "mediaId,object\n" + strings.Repeat("a b,\n", bad) + "last,\n"
		got := c.scan(t.Context(), c.scanner(testPolicy), daily)
		if (got.counts.Looked == 1) != read || !got.found.Missing || len(got.found.Failures) != 100 {
			t.Errorf("%d bad rows: looked at %d, %d failures", bad, got.counts.Looked, len(got.found.Failures))
		}
	}
}

// The report counts the rows of a list, and says nothing of reports where there are none.
func TestRowsOfAList(t *testing.T) {
	c := newCloud(t)
	c.list = "mediaId,object\n"
	for i := range 7 {
		c.list += fmt.Sprintf("m%d,\n", i)
	}
	got := c.scan(t.Context(), c.scanner(testPolicy), daily)
	named := map[string]int{}
	for _, source := range got.found.Sources {
		named[source.Source] = source.Named
	}
	if named["manifest:oss://ops/list.csv"] != 7 || strings.Contains(strings.Join(got.found.Notes, "\n"), "inventory reports") {
		t.Errorf("sources %+v, notes %q", got.found.Sources, got.found.Notes)
	}
}

// lateCount is a bucket whose listing from its first object, as the count of a checkpoint's candidates needs it, ends the time.
type lateCount struct {
	*cloud
	end func()
}

func (l lateCount) Entries(ctx context.Context, prefix media.Object, after string) iter.Seq2[objects.Entry, error] {
	if after != "" {
		return l.cloud.Entries(ctx, prefix, after)
	}
	return func(yield func(objects.Entry, error) bool) {
		l.end()
		yield(objects.Entry{}, ctx.Err())
	}
}

// A scan whose time is up before the guard can count its candidates is resumed.
func TestNoTimeToCount(t *testing.T) {
	r := newResumable(t, 150)
	r.scan(5, false)
	ctx, cancel := context.WithCancel(t.Context())
	r.scanner.Objects = lateCount{r.cloud, cancel}
	r.before = nil
	late := r.cloud.scan(ctx, r.scanner, r.request, "late")
	if late.counts.Expired == 0 || late.found.Failed != nil || !errors.Is(late.found.Stopped, context.Canceled) || !late.found.Resumes {
		t.Errorf("%+v, stopped by %v, failed by %v, resumes %v", late.counts, late.found.Stopped, late.found.Failed, late.found.Resumes)
	}
	r.scanner.Objects = r.cloud
	got := r.scan(0, false)
	if !got.found.Origin.isHint || got.found.MostLive < got.found.Live || got.found.Live == 0 {
		t.Errorf("resumed %v, %d to %d live", got.found.Origin.isHint, got.found.Live, got.found.MostLive)
	}
	r.same("after the count", got, newResumable(t, 150).scan(0, false))
}
