package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// outcomes makes up so many outcomes, from a number on.
func outcomes(from, count int) (list []Outcome) {
	all := []Became{Deleted, Gone, Failed, Unverified, Lost}
	for i := range count {
		list = append(list, Outcome{MediaID: fmt.Sprintf("m%06d", from+i), Became: all[(from+i)%len(all)], Plan: planID("1")})
	}
	return list
}

func TestOutcomesRoundTrip(t *testing.T) {
	store := statetest.New()
	last, want := 0, map[string]Outcome{}
	for _, count := range []int{0, 1, segments.MaxLines, 2500} {
		list := outcomes(len(want), count)
		var err error
		last, err = AddOutcomes(t.Context(), store, "run", last, list)
		no(t, err)
		for _, o := range list {
			want[o.MediaID] = o
		}
	}
	got, records, err := Outcomes(t.Context(), store, "run", "run")
	no(t, err)
	if diff := cmp.Diff(want, got); diff != "" || records != 5 || last != 5 {
		t.Errorf("%d records, the last is %d (-want +got):\n%s", records, last, diff)
	}
	if got, records, err = Outcomes(t.Context(), store, "other", "other"); err != nil || len(got) != 0 || records != 0 {
		t.Errorf("another run: %v in %d records, %v", got, records, err)
	}
}

// A run that takes a number first keeps its record.
func TestAddOutcomesFindsFreeNumbers(t *testing.T) {
	store := statetest.New()
	for run := range 3 { // each begins at 0, as a request that comes again does
		last, err := AddOutcomes(t.Context(), store, "run", 0, outcomes(10*run, 5))
		if err != nil || last != run+1 {
			t.Errorf("the last number is %d, %v; want %d", last, err, run+1)
		}
	}
	got, records, err := Outcomes(t.Context(), store, "run", "run")
	if err != nil || len(got) != 15 || records != 3 {
		t.Errorf("%d outcomes in %d records, %v", len(got), records, err)
	}
}

// The latest outcome of a medium counts. That a medium is gone hides no deletion.
func TestLatestOutcomeCounts(t *testing.T) {
	for _, test := range [][3]Became{
		{Unverified, Deleted, Deleted}, {Failed, Gone, Gone}, {Gone, Failed, Failed}, {Failed, Deleted, Deleted}, {Gone, Unverified, Unverified},
		{Deleted, Gone, Deleted}, {Unverified, Gone, Unverified}, {Lost, Failed, Lost},
	} {
		store := statetest.New()
		for i, became := range test[:2] {
			_, err := AddOutcomes(t.Context(), store, "run", i, []Outcome{{MediaID: "a", Became: became, Plan: "p"}})
			no(t, err)
		}
		if got, _, err := Outcomes(t.Context(), store, "run", "run"); err != nil || got["a"].Became != test[2] {
			t.Errorf("%v: %+v, %v", test, got, err)
		}
	}
}

// Outcomes of a shared folder count in the runs that they name. Older versions wrote these,
// and a resumed run writes them.
func TestOutcomesOfSeveralRuns(t *testing.T) {
	store := statetest.New()
	_, err := AddOutcomes(t.Context(), store, "first", 0, []Outcome{
		{MediaID: "own", Became: Deleted, Plan: "p"},
		{MediaID: "both", Became: Deleted, Plan: "p", Runs: []string{"first", "second"}},
		{MediaID: "other", Became: Deleted, Plan: "p", Runs: []string{"second"}},
	})
	no(t, err)
	for run, want := range map[string]string{"first": "[both own]", "second": "[both other]", "third": "[]"} {
		got, records, err := Outcomes(t.Context(), store, "first", run)
		no(t, err)
		ids := []string{}
		for _, id := range []string{"both", "other", "own"} {
			if _, ok := got[id]; ok {
				ids = append(ids, id)
			}
		}
		if fmt.Sprint(ids) != want || records != 1 {
			t.Errorf("run %s: %v in %d records, want %s", run, ids, records, want)
		}
	}
}

// A run that finished the plan of another deleted only what it says. Either may have deleted what is lost.
func TestIsOf(t *testing.T) {
	for became, want := range map[Became]string{Deleted: "alone finisher", Unverified: "alone finisher", Gone: "", Failed: "", Lost: "alone beginner finisher"} {
		var of []string
		for who, o := range map[string]Outcome{"alone": {}, "beginner": {Runs: []string{"beginner", "finisher"}}, "finisher": {Runs: []string{"beginner", "finisher"}}} {
			if o.Became = became; o.IsOf(who) {
				of = append(of, who)
			}
		}
		slices.Sort(of)
		if got := strings.Join(of, " "); got != want {
			t.Errorf("%s is of %q, want %q", became, got, want)
		}
	}
}

// One damaged record makes the outcomes of its run unknown.
func TestDamagedOutcomes(t *testing.T) {
	for name, record := range map[string][]byte{
		"empty": nil, "no gzip": []byte("{}"), "a cut line": statetest.Squeezed(`{"mediaId":"a"`), "no JSON": statetest.Squeezed("x\n"), "another word": statetest.Squeezed(`{"mediaId":"a","outcome":"kept"}` + "\n"),
		"no ID": statetest.Squeezed(`{"outcome":"deleted"}` + "\n"), "several IDs": statetest.Squeezed(`{"mediaId":"a,b","outcome":"deleted"}` + "\n"),
	} {
		store := statetest.New()
		_, err := AddOutcomes(t.Context(), store, "run", 0, outcomes(0, 3))
		no(t, err)
		store.Put(outcomesOf("run")+"000002.jsonl.gz", record)
		got, _, err := Outcomes(t.Context(), store, "run", "run")
		if err == nil || !strings.Contains(err.Error(), outcomesOf("run")+"000002.jsonl.gz") || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestOutcomesFail(t *testing.T) {
	store := statetest.New()
	last, err := AddOutcomes(t.Context(), store, "run", 0, outcomes(0, 3))
	no(t, err)
	for _, down := range []string{"list", "read"} {
		store.Down = down
		if got, _, err := Outcomes(t.Context(), store, "run", "run"); !errors.Is(err, statetest.ErrDown) || got != nil {
			t.Errorf("%s fails: %v, %v", down, got, err)
		}
	}
	store.Down = "create"
	if _, err := AddOutcomes(t.Context(), store, "run", last, outcomes(3, 3)); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("AddOutcomes: %v", err)
	}
}
