package retention_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// anyPolicy makes up a policy of every kind of rule.
func anyPolicy(rng *rand.Rand) string {
	matches := []string{"", ", match: {tags: [t0]}", ", match: {tagsAll: [t1, t2]}", `, match: {object: ["oss://media-in/d1/**"]}`,
		", match: {state: [UnPublish, Initiated]}", ", match: {minSize: 1GB}", ", match: {category: 7}", `, match: {title: "^a"}`}
	when := []string{"after: 5d", "after: 1mo", "after: 100d12h", `at: {tag: "expire:"}`, "onSourceRemoved: true",
		"after: 30d, keepLatest: {count: 2, per: folder}", `after: 60d, keepLatest: {count: 1, per: "tag:t"}`, `at: {tag: "expire:"}, keepLatest: {count: 1, per: category}`}
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\ntimezone: %s\nprotect:\n", pick([]string{"UTC", "Asia/Shanghai", "America/New_York", "America/Santiago"}))
	fmt.Fprintf(&b, "  - {name: hold, match: {tags: [hold]}}\n  - {name: until, until: {tag: \"keep-until:\"}%s}\n", pick(matches))
	b.WriteString("expire:\n")
	for i := range 1 + rng.IntN(3) {
		fmt.Fprintf(&b, "  - {name: r%d, %s%s}\n", i, pick(when), pick(matches[1:]))
	}
	fmt.Fprintf(&b, "  - {name: rest, %s%s}\n", pick(when), pick(matches))
	return b.String()
}

// anyMedium makes up a medium of every kind, now and then a broken one.
func anyMedium(rng *rand.Rand, id int) media.Medium {
	m := randomMedium(rng)
	m.ID = fmt.Sprint(id)
	m.TagsGarbled = rng.IntN(30) == 0
	m.Created = m.Created.Truncate(12 * time.Hour)
	for _, prefix := range []string{"expire:", "keep-until:"} {
		switch rng.IntN(8) {
		case 0:
			m.Tags = append(m.Tags, prefix+"soon")
		case 1, 2:
			m.Tags = append(m.Tags, prefix+asOf.AddDate(0, 0, rng.IntN(120)-60).Format(time.DateOnly))
		}
	}
	if rng.IntN(8) == 0 {
		m.Tags = append(m.Tags, "hold")
	}
	if rng.IntN(4) > 0 {
		m.Size, m.Duration = media.Known(rng.Int64N(2e9)), media.Known(time.Duration(rng.IntN(5000))*time.Second)
		m.Category, m.Title = media.Known(rng.Int64N(9)), media.Known(string(rune('a'+rng.IntN(3))))
	}
	return m
}

func anyLibrary(rng *rand.Rand) []media.Medium {
	library := make([]media.Medium, rng.IntN(60))
	for i := range library {
		library[i] = anyMedium(rng, i)
		if rng.IntN(6) == 0 { // by a clock that is ahead
			library[i].Created = asOf.Add(time.Duration(rng.IntN(60*24)) * time.Hour).Truncate(12 * time.Hour)
		}
	}
	return library
}

// anyMark makes up what an earlier run may have left of a medium, mostly nothing.
func anyMark(rng *rand.Rand) retention.Mark {
	ends := func() time.Time { return asOf.Add(time.Duration(rng.IntN(40*24)-10*24) * time.Hour) }
	mark := retention.Mark{Hold: anyHold(rng, ends()), MayHold: anyHold(rng, ends()), SourceRemoved: rng.IntN(5) == 0}
	switch rng.IntN(8) {
	case 0:
		mark.Kind, mark.Until = retention.Restored, ends()
	case 1:
		mark.Kind, mark.Until = retention.Unverified, ends()
	case 2:
		mark.Kind = retention.Deleted
	}
	return mark
}

// anyHold makes up a hold, mostly none.
func anyHold(rng *rand.Rand, ends time.Time) *retention.Hold {
	switch rng.IntN(12) {
	case 0:
		return &retention.Hold{ID: "1", Until: ends}
	case 1:
		return &retention.Hold{ID: "2"}
	}
	return nil
}

// endOf returns the last instant of a calendar day in a zone.
func endOf(t *testing.T, date string, zone *time.Location) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	// Clocks may skip midnight: the first instant of another day ends this one.
	at := day.Add(-14 * time.Hour)
	for at.In(zone).Format(time.DateOnly) <= date {
		at = at.Add(15 * time.Minute)
	}
	return at.Add(-time.Nanosecond)
}

// policies runs a check on many made-up policies that are right.
func policies(t *testing.T, n int, check func(*rand.Rand, *policy.Policy)) {
	t.Helper()
	if testing.Short() {
		n /= 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	right := 0
	for range n {
		p, err := policy.Parse("p", []byte(anyPolicy(rng)))
		if err != nil {
			continue // a rule that an earlier one makes pointless
		}
		right++
		if check(rng, p); t.Failed() {
			t.Fatalf("with the policy\n%s", p.Canonical())
		}
	}
	if right < n/4 {
		t.Errorf("only %d of %d policies are right", right, n)
	}
}

// TestExplainIsDecide: an explanation's verdict, rule and changes are Decide's.
func TestExplainIsDecide(t *testing.T) {
	policies(t, 600, func(rng *rand.Rand, p *policy.Policy) {
		m := anyMedium(rng, 1)
		facts := retention.Facts{AsOf: asOf, NotLatest: rng.IntN(2) == 0, Mark: retention.Mark{SourceRemoved: rng.IntN(5) == 0}}
		d, e := retention.Decide(p, &m, facts), retention.Explain(p, &m, facts)
		if e.Verdict != d.Verdict || e.Rule != d.RuleName() || e.Reason != d.Reason() || !e.ExpiresAt.Equal(d.ExpiresAt) {
			t.Errorf("Decide says %+v, the explanation %+v", d, e)
		}
		deciding := slices.DeleteFunc(slices.Clone(e.Rules), func(a retention.Answer) bool { return !a.Decides })
		if len(deciding) > 1 || len(deciding) == 1 != (d.Rule != nil) || len(deciding) == 1 && (deciding[0].Name != e.Rule || deciding[0].Applies == policy.No) {
			t.Errorf("the rule is %q, deciding are %+v", e.Rule, deciding)
		}
		for _, a := range e.Rules { // the first expire rule that applies decides
			if d.Verdict == retention.Expired && a.Kind == "expire" && a.Applies != policy.No {
				if !a.Decides {
					t.Errorf("rule %s applies first and does not decide: %+v", a.Name, e)
				}
				break
			}
		}
		seen := map[string]bool{}
		for _, change := range e.Changes {
			if seen[change.What] {
				t.Errorf("%q is told twice", change.What)
			}
			seen[change.What] = true
			if (change.Verdict == retention.Expired) == (e.Verdict == retention.Expired) {
				t.Errorf("%+v flips nothing", change)
			}
		}
	})
}

// Rules that ask for the same tags have one change between them.
func TestChangesAreToldOnce(t *testing.T) {
	p := parse(t, `
version: 1
protect:
  - {name: a, match: {tags: [keep, hold]}}
  - {name: b, match: {tags: [keep], state: [Published]}}
  - {name: c, match: {tagsAll: [hold, x]}}
  - {name: d, match: {tagsAll: [x, hold]}}
  - {name: e, until: {tag: "until:"}}
  - {name: f, until: {tag: "until:"}, match: {state: [Published]}}
expire: [{name: all, after: 7d}]
`)
	m := series("a", 100)
	var got []string
	for _, change := range retention.Explain(p, &m, retention.Facts{AsOf: asOf, NotLatest: true}).Changes {
		got = append(got, change.What)
	}
	want := []string{"it is tagged keep", "it is tagged hold", "it is tagged hold and x", "it is tagged until:2026-07-01"}
	if !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
}

// A change that moves the medium into an unknown group names its condition.
func TestChangesIntoAGroup(t *testing.T) {
	p := parse(t, "version: 1\nexpire:\n  - {name: shows, match: {tags: [show]}, after: 30d, keepLatest: {count: 3, per: folder}}\n  - {name: rest, after: 50y}\n")
	m := series("a", 100)
	e := retention.Explain(p, &m, retention.Facts{AsOf: asOf, NotLatest: true})
	at := slices.IndexFunc(e.Changes, func(c retention.Change) bool { return c.What == "it is tagged show" })
	if at < 0 || e.Changes[at].Verdict != retention.Expired || !strings.Contains(e.Changes[at].Unless, "latest 3") {
		t.Errorf("changes %+v", e.Changes)
	}
}

// TestDue: before the instant a medium is not expired, and from it on it is.
func TestDue(t *testing.T) {
	policies(t, 600, func(rng *rand.Rand, p *policy.Policy) {
		m := anyMedium(rng, 1)
		facts := retention.Facts{AsOf: asOf, NotLatest: rng.IntN(2) == 0, Mark: anyMark(rng)}
		if !facts.NotLatest && rng.IntN(2) == 0 {
			facts.NotLatestFrom = asOf.AddDate(0, 0, 1+rng.IntN(90))
		}
		due, then, ok := retention.NewCase(p, &m).Due(facts)
		expiredAt := func(instant time.Time) bool {
			later := facts
			later.AsOf = instant
			return retention.Decide(p, &m, later).Verdict == retention.Expired
		}
		for _, days := range []int{-300, -30, -1, 0, 1, 2, 10, 40, 100, 10000} {
			instant := asOf.AddDate(0, 0, days).Add(time.Duration(rng.IntN(86400)) * time.Second)
			if then.Rule != nil && then.Rule.OnSourceRemoved && instant.Before(asOf) {
				continue // when it was removed is not known
			}
			if got, want := expiredAt(instant), ok && !instant.Before(due); got != want {
				t.Errorf("at %v expired is %v, due is %v (%v): %+v", instant, got, due, ok, m)
			}
		}
		if ok && then.Verdict != retention.Expired {
			t.Errorf("decision at %v: %+v", due, then)
		}
	})
}

// TestForecast holds each day of a forecast against what a sweep at its end
// would take.
func TestForecast(t *testing.T) {
	const days = 90
	policies(t, 100, func(rng *rand.Rand, p *policy.Policy) {
		library, marks := anyLibrary(rng), map[string]retention.Mark{}
		for _, m := range library {
			marks[m.ID] = anyMark(rng)
		}
		mark := func(m *media.Medium) retention.Mark { return marks[m.ID] }
		f := retention.NewForecast(p, asOf, days, mark)
		addAll(f, library)
		expiredAt := func(instant time.Time) int { return len(expired(decideAll(p, library, instant, mark))) }
		live := len(slices.DeleteFunc(slices.Clone(library), func(m media.Medium) bool {
			return m.State == media.StateDeleted || m.State == media.StateInitiated && mark(&m).Kind == retention.Deleted
		}))
		sum := f.Overdue.Media
		if want := expiredAt(asOf); sum != want {
			t.Errorf("%d overdue, a sweep takes %d", sum, want)
		}
		for i, day := range f.Days {
			sum += day.Media
			if want := expiredAt(endOf(t, day.Date, p.Timezone)); sum != want {
				t.Errorf("%d media by the end of day %d (%s), a sweep then takes %d", sum, i, day.Date, want)
			}
		}
		if f.Total.Media != sum || sum+f.Later+f.Never != live || len(f.Days) != days || f.Days[0].Date != asOf.In(p.Timezone).Format(time.DateOnly) {
			t.Errorf("%d live media, the forecast has %+v, %d later, %d never", live, f.Total, f.Later, f.Never)
		}
		for _, tally := range append([]retention.Tally{f.Overdue, f.Total}, talliesOf(f.Days)...) {
			at := -1
			for _, rule := range tally.Rules { // each once, in the order of the policy
				place := slices.IndexFunc(p.Expire, func(of policy.Rule) bool { return of.Name == rule.Name })
				if place <= at || rule.Media == 0 {
					t.Errorf("rules %+v", tally.Rules)
				}
				at = place
			}
		}
		byRule, bytes := 0, int64(0)
		for _, rule := range f.Total.Rules {
			byRule, bytes = byRule+rule.Media, bytes+rule.Bytes
		}
		if byRule != sum || bytes != f.Total.Bytes {
			t.Errorf("%d media and %d bytes by rule, %d and %d in all", byRule, bytes, sum, f.Total.Bytes)
		}
	})
}

// addAll adds a library to a forecast, and finishes it.
func addAll(f *retention.Forecast, library []media.Medium) {
	for _, m := range library {
		f.Rank(m)
	}
	for _, m := range library {
		f.Add(m, time.Time{})
	}
	f.Finish()
}

func talliesOf(days []retention.Day) (tallies []retention.Tally) {
	for _, day := range days {
		tallies = append(tallies, day.Tally)
	}
	return tallies
}

// A forecast has each calendar day once, also where clocks skip midnight or a day.
func TestDaysOfAForecast(t *testing.T) {
	for _, name := range zones(t) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		p := parse(t, "version: 1\ntimezone: "+name+"\nexpire: [{name: all, after: 1h}]\n")
		for year := 2011; year <= 2027; year += 2 {
			now := time.Date(year, 1, 1, 12, 30, 0, 0, time.UTC)
			f := retention.NewForecast(p, now, 730, unmarked)
			for i, day := range f.Days {
				// Civil arithmetic without a zone has no gaps.
				local := now.In(zone)
				if want := time.Date(local.Year(), local.Month(), local.Day()+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly); day.Date != want {
					t.Fatalf("%s: day %d is %s, want %s", name, i, day.Date, want)
				}
			}
			for _, at := range []time.Duration{0, 77 * 24 * time.Hour, 249*24*time.Hour + 30*time.Minute, 400 * 24 * time.Hour} {
				f := retention.NewForecast(p, now, 730, unmarked)
				due := now.Add(at)
				addAll(f, []media.Medium{{ID: "a", State: "Published", Created: due.Add(-time.Hour)}})
				for _, day := range f.Days {
					if (day.Media == 1) != (at > 0 && day.Date == due.In(zone).Format(time.DateOnly)) {
						t.Errorf("%s: due at %s, %d media on %s", name, due.In(zone), day.Media, day.Date)
					}
				}
			}
		}
	}
}

// zones returns zones whose clocks skip or repeat midnight in these years, and two
// that skip a whole day or never change.
func zones(t *testing.T) []string {
	t.Helper()
	return []string{"America/Santiago", "America/Asuncion", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Asia/Tehran", "Asia/Amman", "Asia/Damascus",
		"Asia/Gaza", "Africa/Cairo", "Atlantic/Azores", "America/Scoresbysund", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Shanghai"}
}

// A medium that is dated ahead joins its group when its time comes, and not before.
func TestMediaDatedAhead(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: 2, per: folder}}]\n")
	library := []media.Medium{series("old", 100), series("newer", 90), series("ahead", -10), series("further", -20)}
	f := retention.NewForecast(p, asOf, 60, unmarked)
	addAll(f, library)
	got := map[string]int{}
	for _, day := range f.Days {
		if day.Media > 0 {
			got[day.Date] = day.Media
		}
	}
	want := map[string]int{"2026-07-10": 1, "2026-07-20": 1} // "old" when "ahead" joins, "newer" when "further" does
	if !maps.Equal(got, want) || f.Overdue.Media != 0 || f.Never != 2 {
		t.Errorf("due by day %v, want %v; overdue %d, never %d", got, want, f.Overdue.Media, f.Never)
	}
}

// A hold ends: what is restored, or could not be verified, is due then, and the
// reason says so.
func TestHoldsEnd(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: rest, after: 30d}]\n")
	until := asOf.AddDate(0, 0, 12)
	for _, test := range []struct {
		name  string
		kind  retention.MarkKind
		days  int // its age
		until time.Time
		due   time.Time
		says  string
	}{
		{"restored, and due by its rule", retention.Restored, 100, until, until, "it was restored, and is kept until 2026-07-12T12:00:00Z"},
		{"restored, and due before its hold ends", retention.Restored, 25, until, until, "it was restored, and is kept until 2026-07-12T12:00:00Z"},
		{"restored, and due after its hold", retention.Restored, 1, until, asOf.AddDate(0, 0, 29), "keeps it until 2026-07-29T12:00:00Z"},
		{"restored long ago", retention.Restored, 100, asOf, asOf, "expired since"},
		{"not verified", retention.Unverified, 100, until, until, "not sent again until 2026-07-12T12:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := series("a", test.days)
			e := retention.Explain(p, &m, retention.Facts{AsOf: asOf, NotLatest: true, Mark: retention.Mark{Kind: test.kind, Until: test.until}})
			if !e.DueAt.Equal(test.due) || e.DueRule != "rest" || !strings.Contains(e.Reason, test.says) {
				t.Errorf("due %v by %q, %s; want %v, %q", e.DueAt, e.DueRule, e.Reason, test.due, test.says)
			}
			if rule := e.Rules[0]; !rule.ExpiresAt.Equal(asOf.AddDate(0, 0, 30-test.days)) {
				t.Errorf("the rule's time is %v", rule.ExpiresAt)
			}
		})
	}
}

// groupKey identifies a group of differences.
type groupKey struct {
	kind             retention.Kind
	oldRule, newRule string
}

// TestDiff: what is newly deleted and newly kept is the difference of two sweeps.
func TestDiff(t *testing.T) {
	var earlier *policy.Policy
	policies(t, 300, func(rng *rand.Rand, p *policy.Policy) {
		if earlier == nil {
			earlier = p
		}
		library := anyLibrary(rng)
		slices.SortFunc(library, func(a, b media.Medium) int { return strings.Compare(a.ID, b.ID) })
		found := map[retention.Kind][]string{}
		all := map[groupKey][]string{}
		d := retention.NewDiff(earlier, p, asOf, unmarked, named, func(one retention.Difference) {
			found[one.Kind] = append(found[one.Kind], one.MediaID)
			own := groupKey{one.Kind, one.Old.Rule, one.New.Rule}
			all[own] = append(all[own], one.MediaID)
		})
		same := retention.NewDiff(p, p, asOf, unmarked, named, func(retention.Difference) {})
		for _, m := range library {
			d.Rank(m)
			same.Rank(m)
		}
		for _, m := range library {
			d.Add(m)
			same.Add(m)
		}
		d.Finish()
		same.Finish()
		if same.Unchanged != len(library) || len(same.Changes) > 0 {
			t.Errorf("a policy differs from itself: %+v", same.Changes)
		}
		was, is := expired(decideAll(earlier, library, asOf, nil)), expired(decideAll(p, library, asOf, nil))
		for kind, want := range map[retention.Kind][]string{retention.NewlyDeleted: without(is, was), retention.NewlyKept: without(was, is)} {
			slices.Sort(found[kind])
			if !slices.Equal(want, found[kind]) {
				t.Errorf("%s: %v, two sweeps differ by %v", kind, found[kind], want)
			}
		}
		n := 0
		for _, group := range d.Changes {
			n += group.Media
			var samples []string
			for _, one := range group.Samples {
				samples = append(samples, one.MediaID)
			}
			own := groupKey{group.Kind, group.OldRule, group.NewRule}
			first := slices.Sorted(slices.Values(all[own]))
			if want := first[:min(5, len(first))]; !slices.Equal(samples, want) || group.Media != len(first) {
				t.Errorf("%+v: %d media, samples %v, want %v of %d", own, group.Media, samples, want, len(first))
			}
			delete(all, own) // a second group of the same rules would have no media
		}
		if len(all) > 0 {
			t.Errorf("no groups for %v", all)
		}
		order := []retention.Kind{retention.NewlyDeleted, retention.NewlyKept, retention.Sooner, retention.Later}
		if !slices.IsSortedFunc(d.Changes, func(a, b retention.DiffGroup) int {
			return cmp.Or(slices.Index(order, a.Kind)-slices.Index(order, b.Kind), b.Media-a.Media)
		}) {
			t.Errorf("groups in no order: %+v", d.Changes)
		}
		if listed := len(slices.Concat(slices.Collect(maps.Values(found))...)); n != listed || n+d.Unchanged != len(library) || d.Media != len(library) {
			t.Errorf("%d changes in groups, %d handed over, %d unchanged of %d", n, listed, d.Unchanged, len(library))
		}
		earlier = p
	})
}

// A medium that only one policy's inventory names is kept by the other.
func TestDiffOfInventories(t *testing.T) {
	old := parse(t, "version: 1\ninventory: [{bucket: oss://media-in/a/}]\nexpire: [{name: all, after: 30d}]\n")
	next := parse(t, "version: 1\ninventory: [{bucket: oss://media-in/b/}]\nexpire: [{name: all, after: 30d}]\n")
	d := retention.NewDiff(old, next, asOf, unmarked, named, func(retention.Difference) {})
	for _, key := range []string{"a/1", "b/1"} {
		d.Add(media.Medium{ID: key, Object: media.Object{Bucket: "media-in", Key: key}, State: "Published", Created: asOf.AddDate(-1, 0, 0)})
	}
	d.Finish()
	if len(d.Changes) != 2 || d.Changes[0].Kind != retention.NewlyDeleted || d.Changes[0].Samples[0].MediaID != "b/1" || d.Changes[1].Samples[0].MediaID != "a/1" {
		t.Errorf("changes %+v", d.Changes)
	}
}

// named reports whether the inventory of a policy may name a medium. One without sources may name any.
func named(p *policy.Policy, m *media.Medium) bool {
	return p.Inventory.IsEmpty() || p.Inventory.Names(m)
}

func without(list, drop []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(drop, id) })
}

// A medium whose record names no object has none in a difference.
func TestDiffOfAMediumWithoutAnObject(t *testing.T) {
	diff := retention.NewDiff(parse(t, "version: 1\nexpire: [{name: old, after: 7d}]\n"), parse(t, "version: 1\n"), asOf, unmarked, named, func(retention.Difference) {})
	m := series("a", 100)
	m.Object = media.Object{}
	diff.Add(m)
	diff.Finish()
	if len(diff.Changes) != 1 || diff.Changes[0].Samples[0].Object != "" {
		t.Errorf("changes %+v", diff.Changes)
	}
}
