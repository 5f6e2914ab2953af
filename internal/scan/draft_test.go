package scan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// modelled is the result of a model of Draft for one medium.
type modelled struct {
	verdicts  []retention.Verdict // any of these
	rank      retention.Rank
	uncounted bool
}

// model merges the findings of one medium. Strays of records that say Deleted depend on the
// order: unknown or absent.
func model(findings []*finding) modelled {
	m := modelled{uncounted: true}
	digests := map[uint64]bool{}
	absent, stray := 0, 0
	var proper *finding
	for _, f := range findings {
		digests[f.digest] = true
		m.uncounted = m.uncounted && f.uncounted
		switch {
		case f.verdict == retention.Absent:
			absent++
			proper = f
		case f.name == "":
			stray++
		default:
			proper = f
		}
	}
	switch {
	case absent == len(findings):
		m.verdicts = []retention.Verdict{retention.Absent}
	case absent > 0 && absent+stray == len(findings):
		m.verdicts = []retention.Verdict{retention.Absent, retention.Unknown}
	case len(digests) > 1 || proper == nil:
		m.verdicts = []retention.Verdict{retention.Unknown}
	default:
		m.verdicts, m.rank = []retention.Verdict{proper.verdict}, proper.rank
	}
	return m
}

// A draft has each medium once, in order: random findings of few media, in random order,
// against a model.
func TestDraftAgainstAModel(t *testing.T) {
	rules := "version: 1\ninventory: [{bucket: oss://media-in/}]\nexpire:\n  - {name: series, after: 30d, keepLatest: {count: 2, per: folder}}\n"
	p := newCloud(t).scanner(rules).Policy
	random := rand.New(rand.NewPCG(7, 8))
	for round := range 1000 {
		all := map[string][]*finding{}
		var order []*finding
		vacant := map[string]bool{}
		for range 1 + random.IntN(25) {
			id := fmt.Sprint("id", random.IntN(6))
			record := uint64(1 + random.IntN(2)*random.IntN(2)) // of few media there are two
			f := &finding{mediaID: id, name: "media-in/" + id, digest: record*100 + uint64(id[2]), uncounted: random.IntN(4) == 0, line: plan.Line{ReadAt: now.Unix()}}
			switch random.IntN(12) {
			case 0:
				f = &finding{mediaID: id, name: "~" + id, verdict: retention.Absent, uncounted: f.uncounted}
			case 1:
				f = &finding{name: "media-in/vacant" + id}
				vacant[f.name] = true
				order = append(order, f)
				continue
			case 2:
				f.name, f.verdict = "", retention.Unknown
			default: // its record decides
				f.verdict = []retention.Verdict{retention.Expired, retention.Expired, retention.Keep, retention.Protected, retention.Expired, retention.Absent}[(f.digest+uint64(round))%6]
				if f.verdict != retention.Absent {
					f.rank = retention.Rank{Rule: "series", Created: int64(f.digest % 4), Groups: []string{fmt.Sprint("g", f.digest%2), fmt.Sprint("h", f.digest%3)}}
				}
				if f.verdict == retention.Expired {
					f.rule, f.line.Text = "series", []byte(fmt.Sprint(id, f.digest))
				}
			}
			all[id] = append(all[id], f)
			order = append(order, f)
		}
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		var draft Draft
		for _, f := range order {
			if err := draft.add(f.key(), f.encode()); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string]modelled{}
		for id, findings := range all {
			want[id] = model(findings)
		}
		isLatest := func(rank retention.Rank) bool { // by brute force
			return slices.ContainsFunc(rank.Groups, func(group string) bool {
				newer := 0
				for _, other := range want {
					if slices.Contains(other.rank.Groups, group) && other.rank.Created > rank.Created {
						newer++
					}
				}
				return newer < 2
			})
		}
		tally := report.NewTally(p)
		var ids, names, wantLines []string
		if err := draft.rank(p, now); err != nil {
			t.Fatal(err)
		}
		for f, err := range draft.ranked() {
			if err != nil {
				t.Fatal(err)
			}
			f.count(&tally)
			if f.mediaID == "" {
				names = append(names, f.name)
				continue
			}
			ids = append(ids, f.mediaID)
			w := want[f.mediaID]
			verdicts := w.verdicts
			if len(verdicts) == 1 && verdicts[0] == retention.Expired && isLatest(w.rank) {
				verdicts = []retention.Verdict{retention.Keep}
			}
			if !slices.Contains(verdicts, f.verdict) || f.uncounted != w.uncounted {
				t.Fatalf("round %d: %s is %s, uncounted %v; want %v, %v", round, f.mediaID, f.verdict, f.uncounted, verdicts, w.uncounted)
			}
			if f.verdict == retention.Expired && !f.uncounted {
				wantLines = append(wantLines, f.mediaID)
			}
		}
		if !slices.Equal(ids, slices.Sorted(maps.Keys(want))) || !slices.Equal(names, slices.Sorted(maps.Keys(vacant))) {
			t.Fatalf("round %d: media %v, vacant %v", round, ids, names)
		}
		for range 2 {
			var lines []string
			for l, err := range draft.Lines() {
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, l.MediaID)
				if !l.Outranked || l.Rule != "series" {
					t.Fatalf("line %+v", l)
				}
			}
			if !slices.Equal(lines, wantLines) || len(lines) != tally.Counts.Expired {
				t.Fatalf("round %d: lines %v, want %v; counted %d", round, lines, wantLines, tally.Counts.Expired)
			}
		}
		counted := 0
		for _, w := range want {
			if !w.uncounted {
				counted++
			}
		}
		if c := tally.Counts; c.Looked != counted || c.Absent+c.Unknown+c.Protected+c.Kept+c.Expired != counted || c.ObjectsWithoutMedia != len(vacant) {
			t.Fatalf("round %d: %+v, want %d media and %d objects without one", round, c, counted, len(vacant))
		}
		draft.Close()
	}
}

// An expired record and an answer that there is no such medium contradict each other, in any
// order and with any third answer between them.
func TestPresentAndMissingIsUnknown(t *testing.T) {
	p := newCloud(t).scanner(testPolicy).Policy
	expired := func() *finding {
		f := expiredFinding("a")
		f.digest = 7
		return f
	}
	list := []func() *finding{
		func() *finding { return &finding{mediaID: "a", name: "~a", verdict: retention.Absent} }, // missing
		func() *finding {
			return &finding{mediaID: "a", name: "media-in/a", verdict: retention.Absent, digest: 5}
		}, // deleted
		func() *finding { return &finding{mediaID: "a", verdict: retention.Unknown, digest: 7} },                  // stray
		func() *finding { return &finding{mediaID: "a", verdict: retention.Unknown, digest: 7, uncounted: true} }, // unasked
		expired, expired,
	}
	random := rand.New(rand.NewPCG(9, 10))
	for range 500 {
		var draft Draft
		absent := false
		for range 2 + random.IntN(4) {
			f := list[random.IntN(len(list))]()
			absent = absent || f.verdict == retention.Absent
			if err := draft.add(f.key(), f.encode()); err != nil {
				t.Fatal(err)
			}
		}
		if err := draft.rank(p, now); err != nil {
			t.Fatal(err)
		}
		for f, err := range draft.ranked() {
			if err != nil || absent && f.verdict == retention.Expired {
				t.Fatalf("%+v, %v", f, err)
			}
		}
		draft.Close()
	}
}

func TestCursor(t *testing.T) {
	c := newCursor("")
	candidate := func(key string) inventory.Candidate { return inventory.Candidate{Object: objectOf(key)} }
	a, b, d := candidate("a/1"), candidate("b"), candidate("d")
	c.advance(a)
	c.advance(b)
	c.skip(candidate("c").Name())
	c.advance(d)
	if c.after != "media-in/d" || c.accounted != 1 || len(c.left()) != 3 {
		t.Errorf("after %q, %d accounted for, %d left", c.after, c.accounted, len(c.left()))
	}
	c.account([]inventory.Candidate{a, b}, []inventory.Candidate{a})
	left := c.left()
	if c.accounted != 2 || len(left) != 2 || left[0].Candidate != a || !left[0].escaped || left[1].escaped {
		t.Errorf("%d accounted for, left %+v", c.accounted, left)
	}
	c.account([]inventory.Candidate{a}, nil)
	c.account([]inventory.Candidate{d}, nil)
	if c.accounted != 4 || len(c.left()) != 0 {
		t.Errorf("%d accounted for, left %+v", c.accounted, c.left())
	}
}

// What stands in a checkpoint is a hint: a medium that it may outrank is read again, with the
// newest of its groups, however recently it was read itself.
func TestLinesOfAResumedScan(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: series, match: {title: s}, after: 30d, keepLatest: {count: 1, per: folder}}, {name: rest, after: 30d}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, resumed := range []bool{false, true} {
		d := Draft{resumed: resumed}
		defer d.Close()
		rank := func(at int64) retention.Rank {
			return retention.Rank{Rule: "series", Groups: []string{"g"}, Created: at}
		}
		for _, f := range []*finding{
			{mediaID: "old", name: "b/old", verdict: retention.Expired, rule: "series", rank: rank(1), line: plan.Line{ReadAt: 99}},
			{mediaID: "new", name: "b/new", verdict: retention.Keep, rule: "series", rank: rank(2)},
			{mediaID: "other", name: "b/other", verdict: retention.Expired, rule: "rest", line: plan.Line{ReadAt: 99}},
		} {
			if err := d.add(f.key(), f.encode()); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.rank(p, now); err != nil {
			t.Fatal(err)
		}
		got := map[string]plan.Line{}
		for l, err := range d.Lines() {
			if err != nil {
				t.Fatal(err)
			}
			got[l.MediaID] = l
		}
		old, other := got["old"], got["other"]
		if len(got) != 2 || old.Outranked == resumed || (old.ReadAt == plan.Unread) != resumed || other.ReadAt != 99 {
			t.Errorf("resumed %v: %+v", resumed, got)
		}
	}
}

// A medium that was returned for another object is looked up by its ID, if a list names it.
func TestStraysAreNoFinds(t *testing.T) {
	var d Draft
	defer d.Close()
	for _, f := range []*finding{{mediaID: "found", name: "b/k"}, {mediaID: "stray", verdict: retention.Unknown}} {
		if err := d.add(f.key(), f.encode()); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	for one, err := range d.found() {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, one.Name+" as "+string(one.Rest))
	}
	if !slices.Equal(found, []string{"found as b/k"}) {
		t.Errorf("%q", found)
	}
}
