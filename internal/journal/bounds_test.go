package journal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Every outcome has its count, and a deletion one of its rule.
func TestCountOfOutcomes(t *testing.T) {
	for became, want := range map[Became]report.Counts{Deleted: {Deleted: 1}, Gone: {Gone: 1}, Lost: {Gone: 1}, Failed: {Failed: 1}, Unverified: {Unverified: 1}} {
		var counts report.Counts
		var rule report.Rule
		became.Count(&counts, &rule)
		if diff := cmp.Diff(want, counts); diff != "" || rule.Deleted != want.Deleted || (rule.Lost == 1) != (became == Lost) {
			t.Errorf("%s, of the rule %+v (-want +got):\n%s", became, rule, diff)
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
		if len(page.Plans) != plans || len(page.Skipped) != skipped || page.Next != "" || errors.Is(err, statetest.ErrDown) != down || (err != nil) != down || errors.Is(err, state.ErrNotFound) {
			t.Errorf("%d plans, %d skipped, next %q, %v; want %d and %d", len(page.Plans), len(page.Skipped), page.Next, err, plans, skipped)
		}
	}
	list(MaxListed, 0, false)
	store.Down, store.Of = "read", plan.Name(last)
	list(MaxListed-1, 1, false)
	for _, store.Of = range []string{"plans/", "/plan.json"} {
		list(0, 0, true)
	}
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
