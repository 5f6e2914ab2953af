package journal

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

func planID(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// begin begins a plan of a run. The run's clock is a number of minutes after asOf.
func begin(t *testing.T, store state.Store, run, digit string, minutes int) Intent {
	t.Helper()
	at := asOf.Add(time.Duration(minutes) * time.Minute).In(time.FixedZone("", -5*3600))
	intent, err := SaveIntent(t.Context(), store, at.Add(time.Second), Intent{Run: run, Plan: planID(digit), Policy: "p", AsOf: at})
	no(t, err)
	return intent
}

// unfinished returns "run plan-digit" for each plan.
func unfinished(t *testing.T, store state.Store) (list []string, damaged []error) {
	t.Helper()
	intents, damaged, err := Unfinished(t.Context(), store, asOf.Add(time.Hour))
	no(t, err)
	for _, i := range intents {
		list = append(list, i.Run+" "+i.Plan[len(i.Plan)-1:])
	}
	return list, damaged
}

func TestUnfinished(t *testing.T) {
	store := statetest.New()
	late := begin(t, store, "late", "2", 9)
	early := begin(t, store, "early", "1", 0)
	begin(t, store, "中文", "3", 20)
	list, damaged := unfinished(t, store)
	if diff := cmp.Diff([]string{"early 1", "late 2", "中文 3"}, list); diff != "" || damaged != nil {
		t.Errorf("unfinished, the oldest first (-want +got):\n%s%v", diff, damaged)
	}
	no(t, early.Close(t.Context(), store))
	no(t, early.Close(t.Context(), store))
	intents, _, err := Unfinished(t.Context(), store, asOf.Add(time.Hour))
	no(t, err)
	if diff := cmp.Diff(late, intents[0], cmpopts.IgnoreUnexported(Intent{})); diff != "" {
		t.Errorf("intent (-want +got):\n%s", diff)
	}
	for _, i := range intents {
		no(t, i.Close(t.Context(), store))
	}
	if list, _ := unfinished(t, store); list != nil {
		t.Errorf("%q are left", list)
	}
}

// A finished plan whose killed runs remain to be counted is not finished again, and is listed until they are.
func TestUncounted(t *testing.T) {
	store, now := statetest.New(), asOf.Add(time.Hour)
	uncounted := func() (runs []string) {
		all, err := ListIntents(t.Context(), store, now)
		no(t, err)
		list, damaged, err := all.Uncounted(t.Context())
		no(t, errors.Join(append(damaged, err)...))
		for _, i := range list {
			runs = append(runs, i.Run)
		}
		return runs
	}
	first, other := begin(t, store, "first", "1", 0), begin(t, store, "first-other", "2", 0)
	request, err := SaveIntent(t.Context(), store, now, Intent{Run: "request", Plan: planID("1"), AsOf: now, Until: now})
	no(t, err)
	begin(t, store, "open", "3", 1)
	no(t, begin(t, store, "closed", "4", 2).Close(t.Context(), store))
	for _, i := range []Intent{other, first, request} {
		no(t, i.CloseUncounted(t.Context(), store))
	}
	if list, _ := unfinished(t, store); !slices.Equal(list, []string{"open 3"}) {
		t.Errorf("unfinished are %q", list)
	}
	if got := uncounted(); !slices.Equal(got, []string{"first", "first-other", "request"}) {
		t.Errorf("uncounted are %q", got)
	}
	no(t, first.MarkCounted(t.Context(), store))
	no(t, request.MarkCounted(t.Context(), store))
	if got := uncounted(); !slices.Equal(got, []string{"first-other"}) {
		t.Errorf("uncounted are %q", got)
	}
}

// A request without a lease may be under way until its time is up. One of weeks ago is nobody's any more.
func TestUnfinishedRequests(t *testing.T) {
	store, now := statetest.New(), asOf.Add(time.Hour)
	request := func(run string, age, time time.Duration) Intent {
		i, err := SaveIntent(t.Context(), store, now.Add(-age), Intent{Run: run, Plan: planID("1"), AsOf: now.Add(-age), Until: now.Add(time - age)})
		no(t, err)
		return i
	}
	request("under way", time.Hour, time.Hour+1)
	request("killed", time.Minute, time.Minute)
	request("long ago", 32*24*time.Hour, time.Hour)
	request("ended", 10*time.Minute, time.Minute)
	no(t, request("ended", 9*time.Minute, time.Minute).Close(t.Context(), store))
	begin(t, store, "timer", "2", 0)
	if list, damaged := unfinished(t, store); !slices.Equal(list, []string{"timer 2", "ended 1", "killed 1"}) || damaged != nil {
		t.Errorf("%q, damaged %v", list, damaged)
	}
	if begun, err := HasIntent(t.Context(), store, now.Add(-time.Minute)); begun || err != nil {
		t.Errorf("a request at the same time passes for a scheduled run: %v, %v", begun, err)
	}
}

// A look finds the requests since three days before the look before it, whenever that was: scheduled runs may have been
// switched off.
func TestUnfinishedRequestsSinceTheLastLook(t *testing.T) {
	const day = 24 * time.Hour
	now := asOf.Add(time.Hour)
	for name, test := range map[string]struct {
		looked []int // days before now
		want   []string
	}{
		"no look":             {nil, []string{"30", "9", "5", "2"}},
		"every day":           {[]int{3, 2, 1}, []string{"2"}},
		"after ten days":      {[]int{40, 10}, []string{"9", "5", "2"}},
		"today":               {[]int{0}, []string{"2"}},
		"with a clock before": {[]int{-400}, []string{"2"}},
		"too long ago":        {[]int{50}, []string{"30", "9", "5", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := statetest.New()
			for _, ago := range []int{33, 30, 9, 5, 2} {
				at := now.Add(-time.Duration(ago) * day)
				_, err := SaveIntent(t.Context(), store, at, Intent{Run: strconv.Itoa(ago), Plan: planID("1"), AsOf: at, Until: at.Add(day)})
				no(t, err)
			}
			for _, ago := range test.looked {
				no(t, NoteLook(t.Context(), store, now.Add(-time.Duration(ago)*day)))
				no(t, NoteLook(t.Context(), store, now.Add(-time.Duration(ago)*day)))
			}
			intents, damaged, err := Unfinished(t.Context(), store, now)
			no(t, err)
			var got []string
			for _, i := range intents {
				got = append(got, i.Run)
			}
			if !slices.Equal(got, test.want) || damaged != nil {
				t.Errorf("%q, damaged %v; want %q", got, damaged, test.want)
			}
		})
	}
}

// A damaged intent hides no other. A store that fails is an error.
func TestUnfinishedAmongDamage(t *testing.T) {
	store := statetest.New()
	begin(t, store, "a", "1", 0)
	store.Put(intentFolder+"20200101T000000Z-x.json", []byte("{"))
	store.Put(intentFolder+"20300101T000000Z-y.json", []byte(`{"format":2,"run":"y","plan":"`+planID("1")+`"}`))
	store.Put(intentFolder+"20300101T000000Z-z.txt", nil)
	list, damaged := unfinished(t, store)
	if len(list) != 1 || len(damaged) != 2 {
		t.Errorf("%q, damaged %v", list, damaged)
	}
	for _, err := range damaged {
		if !errors.Is(err, state.ErrDamaged) {
			t.Error(err)
		}
	}
	for _, down := range []string{"list", "read"} {
		store.Down = down
		if _, _, err := Unfinished(t.Context(), store, asOf.Add(time.Hour)); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s fails: %v", down, err)
		}
	}
}

func TestLatestIntent(t *testing.T) {
	store := statetest.New()
	begin(t, store, "a", "1", 0)
	second := begin(t, store, "a", "2", 5)
	begin(t, store, "b-a", "3", 9) // its name ends alike
	latest, err := LatestIntent(t.Context(), store, "a")
	if err != nil || latest.Plan != planID("2") || latest.name != second.name {
		t.Errorf("%+v, %v", latest, err)
	}
	no(t, second.Close(t.Context(), store))
	if latest, err = LatestIntent(t.Context(), store, "a"); err != nil || latest.Plan != planID("2") {
		t.Errorf("closed: %+v, %v", latest, err)
	}
	for _, run := range []string{"", "c", "中文"} {
		if latest, err := LatestIntent(t.Context(), store, run); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("run %q: %+v, %v", run, latest, err)
		}
	}
	begin(t, store, "中文", "4", 10)
	if latest, err := LatestIntent(t.Context(), store, "中文"); err != nil || latest.Plan != planID("4") {
		t.Errorf("%+v, %v", latest, err)
	}
	store.Put(intentFolder+"20300101T000000Z-d.json", []byte("{"))
	if _, err := LatestIntent(t.Context(), store, "d"); !errors.Is(err, state.ErrDamaged) {
		t.Errorf("a damaged intent: %v", err)
	}
	for _, down := range []string{"list", "read"} {
		store.Down = down
		if _, err := LatestIntent(t.Context(), store, "b-a"); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s fails: %v", down, err)
		}
	}
}

// A run is found by the start of its ID, whether it held the lease or not.
func TestRunsWithIntents(t *testing.T) {
	store := statetest.New()
	begin(t, store, "1-aa-Z-1", "1", 0)
	no(t, begin(t, store, "1-aa-Z-1", "2", 5).Close(t.Context(), store))
	begin(t, store, "1-bb", "3", 9)
	_, err := SaveIntent(t.Context(), store, asOf, Intent{Run: "1-aa-Z-2", Plan: planID("4"), Policy: "p", AsOf: asOf, Until: asOf.Add(time.Hour)})
	no(t, err)
	no(t, NoteLook(t.Context(), store, asOf))
	for _, other := range []string{"1-aa.json", "1-aa-x.json", "20300101T000000Z-1-aa-x.json"} {
		store.Put(intentFolder+other, nil)
	}
	for start, want := range map[string][]string{"1-aa-Z": {"1-aa-Z-1", "1-aa-Z-2"}, "1-b": {"1-bb"}, "1-bb": {"1-bb"}, "1-bb-": nil, "2026": nil} {
		if got, err := RunsWithIntents(t.Context(), store, start); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", start, got, err, want)
		}
	}
	store.Down = "list"
	if _, err := RunsWithIntents(t.Context(), store, "1"); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("the list fails: %v", err)
	}
}

func TestHasIntent(t *testing.T) {
	store := statetest.New()
	begin(t, store, "a", "1", 0)
	begin(t, store, "a", "1", 60)
	for minutes, want := range map[int]bool{-1: false, 0: true, 1: false, 60: true, 61: false} {
		got, err := HasIntent(t.Context(), store, asOf.Add(time.Duration(minutes)*time.Minute).In(time.FixedZone("", 8*3600)))
		if err != nil || got != want {
			t.Errorf("after %d minutes: %v, %v; want %v", minutes, got, err, want)
		}
	}
	store.Down = "list"
	if got, err := HasIntent(t.Context(), store, asOf.AddDate(1, 0, 0)); got || !errors.Is(err, statetest.ErrDown) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestIntentsThatCannotBeWritten(t *testing.T) {
	store := statetest.New()
	intent := begin(t, store, "a", "1", 0)
	store.Down = "create"
	if _, err := SaveIntent(t.Context(), store, asOf, Intent{Run: "a", Plan: planID("1"), AsOf: asOf}); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("Begin: %v", err)
	}
	if err := intent.Close(t.Context(), store); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("Close: %v", err)
	}
}
