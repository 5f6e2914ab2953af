package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// A generation counts until 31 days after its notice. Later its media are announced again.
func TestAGenerationOfLongAgo(t *testing.T) {
	began := announcedNow.Add(-7 * announcedDay)
	for before, want := range map[time.Duration]int{0: 1, time.Second: 0} {
		store, at := statetest.New(), began.Add(-31*announcedDay-before)
		announceAll(t, openAnnounced(t, store, at, true), at, map[string]Announcement{"m": {MediaID: "m", At: at.Unix()}})
		a, err := ReadAnnouncements(t.Context(), store, announcedRegion, nil, announcedNow, began, true)
		no(t, err)
		defer a.Close()
		if got := restOf(t, a); len(got) != want {
			t.Errorf("%v before the last time: %d announcements, want %d", before, len(got), want)
		}
	}
}

// A run knows of the holds that ended, and fails if it cannot read what events announced.
func TestReadAnnouncements(t *testing.T) {
	store, ended := statetest.New(), announcedNow.Add(-time.Hour)
	placed := []retention.Hold{{ID: "1", Target: "m", Until: ended}}
	a, err := ReadAnnouncements(t.Context(), store, announcedRegion, placed, announcedNow, announcedNow.Add(-7*announcedDay), true)
	no(t, err)
	defer a.Close()
	if last := a.Held.LastOf(&media.Medium{ID: "m"}); last != ended.Unix() {
		t.Errorf("held until %d, want %d", last, ended.Unix())
	}
	store.Down, store.Of = "list", "announced/events"
	if _, err := ReadAnnouncements(t.Context(), store, announcedRegion, nil, announcedNow, announcedNow, true); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("unread events: %v", err)
	}
}

// A lead that was taken back is none.
func TestLeadsThatWereTakenBack(t *testing.T) {
	store, at := statetest.New(), announcedNow.Add(-time.Hour)
	no(t, Announce(t.Context(), store, at, []Announcement{{MediaID: "a"}, {MediaID: "b"}, {MediaID: "c"}}))
	no(t, TakeBack(t.Context(), store, at.Add(-time.Second), []string{"a"}))
	no(t, TakeBack(t.Context(), store, at, []string{"b"}))
	no(t, TakeBack(t.Context(), store, at.Add(time.Second), []string{"c"}))
	for _, name := range store.Names(eventFolder) {
		store.Written[name] = announcedNow
	}
	a, err := ReadAnnouncements(t.Context(), store, announcedRegion, nil, announcedNow, announcedNow.Add(-7*announcedDay), true)
	no(t, err)
	defer a.Close()
	leads := map[string]bool{}
	for one, err := range a.Leads(t.Context()) {
		no(t, err)
		leads[one.MediaID] = true
	}
	if want := map[string]bool{"a": true}; !maps.Equal(leads, want) {
		t.Errorf("leads %v, want %v", leads, want)
	}
	if rest := restOf(t, a); len(rest) != 1 {
		t.Errorf("announced %v", rest)
	}
}

// A segment ends after some thousand media on average, and has a largest size. Each medium is found from its start on.
func TestSegmentsOfAnnouncements(t *testing.T) {
	ends, long := 0, []string{}
	for i := range 200_000 {
		if id := fmt.Sprintf("m%06d", i); endsSegment(id) {
			ends++
		} else if len(long) <= maxAnnounced {
			long = append(long, id)
		}
	}
	if ends < 5 || ends > 120 {
		t.Errorf("%d of 200,000 media end a segment", ends)
	}
	store := statetest.New()
	next := openAnnounced(t, store, announcedNow, true).Next()
	for _, id := range long {
		no(t, next.Add(t.Context(), Announcement{MediaID: id, At: 1}))
	}
	no(t, next.Commit(t.Context(), announcedNow))
	segments := openAnnounced(t, store, announcedNow, true).latest.Segments
	if len(segments) != 2 || segments[1].First != long[maxAnnounced] {
		t.Fatalf("segments %+v", segments)
	}
	for _, id := range []string{long[0], long[maxAnnounced-1], long[maxAnnounced]} {
		found := false
		for one, err := range openAnnounced(t, store, announcedNow, false).Until(t.Context(), id) {
			no(t, err)
			found = found || one.MediaID == id
		}
		if !found {
			t.Errorf("%s is not found", id)
		}
	}
}

// A segment whose lines are not those of a run, in their order, is damaged. So is a generation with segments out of order.
func TestLinesOfAnnouncements(t *testing.T) {
	const a, b = "a 0000000000000001 5 -\n", "b 0000000000000002 6 o\n"
	for name, test := range map[string]struct {
		lines, first, end string
		good              bool
	}{
		"in order": {a + b, "a", "c", true}, "the last one": {a + b, "a", "", true},
		"another first": {a + b, "b", "", false}, "twice": {a + a, "a", "", false}, "backwards": {b + a, "b", "", false}, "beyond the end": {a + b, "a", "b", false},
		"a short digest": {"a 1 5 -\n", "a", "", false}, "a sign": {"a 0000000000000001 +5 -\n", "a", "", false}, "another flag": {"a 0000000000000001 5 x\n", "a", "", false},
		"no end of the line": {strings.TrimSuffix(a, "\n"), "a", "", false}, "more": {"a 0000000000000001 5 - \n", "a", "", false},
	} {
		sum := sha256.Sum256([]byte(test.lines))
		s := announcedSegment{hex.EncodeToString(sum[:]), test.first}
		if list, err := decodeAnnouncements(statetest.Squeezed(test.lines), s, test.end, false); (err == nil) != test.good {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	segment := func(first string) announcedSegment { return announcedSegment{strings.Repeat("0", 64), first} }
	for name, test := range map[string]struct {
		segments []announcedSegment
		want     string
	}{
		"in order": {[]announcedSegment{segment("a"), segment("b")}, ""}, "twice": {[]announcedSegment{segment("a"), segment("a")}, "segment 2 is out of order"},
		"backwards": {[]announcedSegment{segment("b"), segment("a")}, "segment 2 is out of order"}, "no checksum": {[]announcedSegment{segment("a"), {"00", "b"}}, "segment 2 has no checksum"},
	} {
		g := generation{announcedFormat, announcedRegion, announcedNow, test.segments, nil}
		if err := g.check(announcedRegion); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// Every outcome has its count, and a deletion one of its rule.
func TestCountOfOutcomes(t *testing.T) {
	for became, want := range map[Became]report.Counts{Deleted: {Deleted: 1}, Gone: {Gone: 1}, Lost: {Gone: 1}, Failed: {Failed: 1}, Unverified: {Unverified: 1}} {
		var counts report.Counts
		var rule report.Rule
		became.Count(&counts, &rule)
		if diff := cmp.Diff(want, counts); diff != "" || rule.Deleted != want.Deleted {
			t.Errorf("%s, of the rule %d (-want +got):\n%s", became, rule.Deleted, diff)
		}
	}
}

// The records of outcomes come by their names. A listing that fails is an error.
func TestOutcomeRecords(t *testing.T) {
	store := statetest.New()
	for _, run := range []string{"a", "b"} {
		_, err := AddOutcomes(t.Context(), store, run, 0, []Outcome{{MediaID: "m", Became: Deleted}})
		no(t, err)
	}
	var names []string
	for record, err := range OutcomeRecords(t.Context(), store, "") {
		no(t, err)
		names = append(names, record.Name)
	}
	for record, err := range OutcomeRecords(t.Context(), store, names[0]) {
		if no(t, err); record.Name != names[1] || len(names) != 2 {
			t.Errorf("%s comes after %s of %v", record.Name, names[0], names)
		}
	}
	store.Down = "list"
	failed := 0
	for _, err := range OutcomeRecords(t.Context(), store, names[1]) {
		if failed++; !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%v", err)
		}
	}
	if failed != 1 {
		t.Errorf("%d errors", failed)
	}
}

// A full last page has no next one. Plans that cannot be read are skipped, unless none can be read.
func TestListOfPlans(t *testing.T) {
	store := statetest.New()
	var last string
	for i := range MaxListed {
		h := head()
		h.AsOf = asOf.Add(time.Duration(i) * time.Second)
		saved, err := SavePlan(t.Context(), store, plan.Contents{Head: h}, entries(t, 1))
		no(t, err)
		last = saved.ID
	}
	list := func(plans, skipped int, down bool) {
		t.Helper()
		page, err := ListPlans(t.Context(), store, "")
		if len(page.Plans) != plans || len(page.Skipped) != skipped || page.Next != "" || errors.Is(err, statetest.ErrDown) != down || (err != nil) != down {
			t.Errorf("%d plans, %d skipped, next %q, %v; want %d and %d", len(page.Plans), len(page.Skipped), page.Next, err, plans, skipped)
		}
	}
	list(MaxListed, 0, false)
	store.Down, store.Of = "read", plan.Name(last)
	list(MaxListed-1, 1, false)
	store.Of = "plans/"
	list(0, 0, true)
	store.Down = ""
	for _, name := range store.Names("plans/") {
		if strings.HasSuffix(name, "/plan.json") && name != plan.Name(last) {
			store.Put(name, store.Records[plan.Name(last)])
		}
	}
	list(1, MaxListed-1, false)
}

// Restores are counted, whatever else is recorded. A record has tombstones of any kinds.
func TestRestoresAreCounted(t *testing.T) {
	store, tombstones := statetest.New(), NewTombstones()
	record := tombstoneRecord{At: asOf, Unverified: []Tombstone{tombstone("a")}, Restored: []string{"oss://media-in/b.mp4"}}
	for want, write := range []func(){
		func() {
			no(t, AddTombstones(t.Context(), store, asOf, []Tombstone{tombstone("d")}, []Tombstone{tombstone("u")}))
		},
		func() { no(t, HoldRestored(t.Context(), store, asOf, []media.Object{medium("r").Object})) },
		func() { no(t, record.write(t.Context(), store)) },
	} {
		write()
		no(t, tombstones.Refresh(t.Context(), store))
		if got := tombstones.Restores(); got != want {
			t.Errorf("%d restores, want %d", got, want)
		}
	}
	if mark := tombstones.Of(medium("a")); mark.Kind != retention.Unverified {
		t.Errorf("a medium of the record with both: %+v", mark)
	}
}
