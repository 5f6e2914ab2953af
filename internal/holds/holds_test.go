package holds

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

func holdOn(target string) retention.Hold {
	return retention.Hold{Target: target, Reason: "trial", By: "ops@host", At: asOf}
}

// inForce returns the IDs of the holds that a new process reads.
func inForce(t *testing.T, store state.Store) (ids []string) {
	t.Helper()
	h := New()
	no(t, h.Refresh(t.Context(), store))
	for _, hold := range h.Latest().All() {
		ids = append(ids, hold.ID)
	}
	return ids
}

// holds123 places three holds.
func holds123(t *testing.T, store state.Store) *Holds {
	t.Helper()
	h := New()
	for i := range 3 {
		hold, err := h.Place(t.Context(), store, holdOn(fmt.Sprint("id", i+1)))
		if no(t, err); hold.ID != fmt.Sprint(i+1) {
			t.Fatalf("hold %s, want %d", hold.ID, i+1)
		}
	}
	return h
}

// A hold whose time is over is in no list, and has nothing to release.
func TestReleaseOfAnEndedHold(t *testing.T) {
	store, h := statetest.New(), New()
	ends := holdOn("id")
	ends.Until = asOf.Add(time.Hour)
	_, err := h.Place(t.Context(), store, ends)
	no(t, err)
	if _, err := h.Release(t.Context(), store, "1", "dev@host", ends.Until); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("released: %v", err)
	}
	_, err = h.Release(t.Context(), store, "1", "dev@host", asOf)
	no(t, err)
}

func TestPlaceAndRelease(t *testing.T) {
	store := statetest.New()
	ours, theirs := holds123(t, store), New()
	hold, err := theirs.Release(t.Context(), store, "2", "dev@host", asOf)
	if no(t, err); hold.Target != "id2" {
		t.Errorf("released %+v", hold)
	}
	for _, id := range []string{"2", "4", "0", "", "../1"} {
		if _, err := theirs.Release(t.Context(), store, id, "dev@host", asOf); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("released %q: %v", id, err)
		}
	}
	if got := ours.Latest().All(); len(got) != 3 {
		t.Errorf("before Refresh: %v", got)
	}
	no(t, ours.Refresh(t.Context(), store))
	for who, h := range map[string]*Holds{"ours": ours, "theirs": theirs} {
		if all := h.Latest().All(); len(all) != 2 || all[0].ID != "1" || all[1].ID != "3" {
			t.Errorf("%s: %+v", who, all)
		}
	}
	if got := inForce(t, store); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("a new process has %v", got)
	}
	if _, err := ours.Place(t.Context(), store, holdOn("no ID")); err == nil {
		t.Error("placed a hold on nothing")
	}
}

// One record holds many media, and one release frees them. A form that is sent again places no other hold.
func TestHoldOnMany(t *testing.T) {
	store := statetest.New()
	many := holdOn("")
	for i := range retention.MaxHoldMedia {
		many.Media = append(many.Media, fmt.Sprintf("%064x", i))
	}
	for range 2 {
		hold, err := New().Place(t.Context(), store, many)
		if no(t, err); hold.ID != "1" {
			t.Fatalf("hold %s", hold.ID)
		}
	}
	fresh := New()
	no(t, fresh.Refresh(t.Context(), store))
	for id, held := range map[string]bool{many.Media[0]: true, many.Media[99_999]: true, "other": false} {
		if mark := fresh.Latest().Mark(medium(id), retention.Mark{}); (mark.Hold != nil) != held {
			t.Errorf("%s is held: %v", id, mark.Hold != nil)
		}
	}
	_, err := New().Release(t.Context(), store, "1", "x", asOf)
	no(t, err)
	if got := inForce(t, store); len(got) > 0 {
		t.Errorf("in force after the release: %v", got)
	}
	other := many
	other.Media = many.Media[:10]
	hold, err := fresh.Place(t.Context(), store, other)
	if no(t, err); hold.ID != "2" {
		t.Errorf("another hold has the ID %s", hold.ID)
	}
	for name, media := range map[string][]string{"too many": append(many.Media, "z"), "not sorted": {"b", "a"}, "twice": {"a", "a"}, "no ID": {"a,b"}} {
		other.Media = media
		if _, err := fresh.Place(t.Context(), store, other); err == nil {
			t.Errorf("%s: placed", name)
		}
	}
	other.Media, other.Target = []string{"a"}, "b"
	if _, err := fresh.Place(t.Context(), store, other); err == nil {
		t.Error("a list beside a target: placed")
	}
}

// The lists of all holds together are bounded.
func TestHoldsListTooManyMedia(t *testing.T) {
	h, store := New(), statetest.New()
	many := holdOn("")
	for i := range retention.MaxHoldMedia {
		many.Media = append(many.Media, fmt.Sprintf("%06x", i))
	}
	for i := range maxMedia / retention.MaxHoldMedia {
		id := strconv.Itoa(i + 1)
		h.inForce[id] = retention.Hold{ID: id, Media: many.Media}
	}
	many.Media = []string{"a"}
	if _, err := h.Place(t.Context(), store, many); err == nil || !strings.Contains(err.Error(), "500001 media") {
		t.Errorf("placed beside full lists: %v", err)
	}
	if _, err := h.Place(t.Context(), store, holdOn("a")); err != nil {
		t.Errorf("a hold without a list: %v", err)
	}
}

// A hold that cannot be read stops what deletes, and names the record. Once it is repaired, the
// next read goes on.
func TestDamagedHolds(t *testing.T) {
	const name = "holds/0000000002.json"
	whole := statetest.New()
	holds123(t, whole)
	good := string(whole.Records[name])
	for what, data := range map[string]string{
		"empty": "", "cut": good[:len(good)-3], "an empty object": "{}", "null": "null", "a list": "[]", "random": "\x00\x8f\xff\x17", "two": good + good,
		"a tail": good + "}", "another number": strings.Replace(good, `"id":"2"`, `"id":"3"`, 1), "a future format": strings.Replace(good, `"format":1`, `"format":2`, 1),
		"a field of the future": strings.Replace(good, `"target"`, `"tags":["x"],"target"`, 1), "no target": strings.Replace(good, `"id2"`, `""`, 1),
		"a glob that is none": strings.Replace(good, `"id2"`, `"oss://media-in/a/"`, 1), "no reason": strings.Replace(good, `"trial"`, `""`, 1),
		"an end that is no time": strings.Replace(good, `"reason"`, `"until":"soon","reason"`, 1), "a list beside its target": strings.Replace(good, `"reason"`, `"media":["a"],"reason"`, 1),
		"a list in disorder": strings.Replace(good, `"target":"id2"`, `"media":["b","a"]`, 1), "huge": good + strings.Repeat(" ", maxHold),
		"a key set twice": strings.Replace(good, `"reason"`, `"target":"id9","reason"`, 1), "a key in another spelling": strings.Replace(good, `"reason"`, `"Target":"id9","reason"`, 1),
	} {
		t.Run(what, func(t *testing.T) {
			store := statetest.New()
			known := holds123(t, store)
			store.Put(name, []byte(data))
			fresh := New()
			for range 2 {
				if err := fresh.Refresh(t.Context(), store); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), name) {
					t.Fatalf("%v", err)
				}
			}
			if hold, err := fresh.Place(t.Context(), store, holdOn("id4")); err != nil || hold.ID != "4" || len(fresh.Latest().All()) != 3 {
				t.Errorf("placed %+v, %v, beside a damaged hold", hold, err)
			}
			no(t, known.Refresh(t.Context(), store)) // it has read the record
			store.Put(name, []byte(good))
			no(t, fresh.Refresh(t.Context(), store))
			if n := len(fresh.Latest().All()); n != 4 {
				t.Errorf("%d holds after the repair", n)
			}
			store.Put(name, []byte(data))
			_, err := New().Release(t.Context(), store, "2", "x", asOf)
			no(t, err)
			if got := inForce(t, store); !slices.Equal(got, []string{"1", "3", "4"}) {
				t.Errorf("after the release of the damaged hold: %v", got)
			}
		})
	}
	for _, odd := range []string{"holds/x.json", "holds/0000000004", "holds/4.json", "holds/0000000004.json.bak", "holds/0000000004.json/x", "holds/-000000004.json"} {
		store := statetest.New()
		known := holds123(t, store)
		store.Put(odd, []byte(good))
		for who, h := range map[string]*Holds{"a new process": New(), "a running process": known} {
			if err := h.Refresh(t.Context(), store); (err == nil || !strings.Contains(err.Error(), odd)) && odd > name[:16] {
				t.Errorf("%s: record %s: %v", who, odd, err)
			}
		}
	}
}

// A record that is gone held something: that is no release.
func TestMissingHolds(t *testing.T) {
	for _, gone := range []int{1, 2, 3} {
		store := statetest.New()
		h := holds123(t, store)
		name := h.placed.name(gone)
		delete(store.Records, name)
		if err := New().Refresh(t.Context(), store); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), name+" is missing") {
			t.Errorf("%v", err)
		}
		_, err := New().Release(t.Context(), store, fmt.Sprint(gone), "x", asOf)
		no(t, err)
		if got := inForce(t, store); len(got) != 2 {
			t.Errorf("after the release of the missing hold %d: %v", gone, got)
		}
	}
}

// The newest hold is missed too, by a process that knows it and by a new one. No other hold takes its number.
func TestTheNewestHoldIsMissing(t *testing.T) {
	store := statetest.New()
	running := holds123(t, store)
	store.Put("hold-numbers/9.json", nil) // it proves nothing
	delete(store.Records, "holds/0000000003.json")
	for who, h := range map[string]*Holds{"a running process": running, "a new process": New()} {
		if err := h.Refresh(t.Context(), store); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "holds/0000000003.json is missing") {
			t.Errorf("%s: %v", who, err)
		}
	}
	hold, err := New().Place(t.Context(), store, holdOn("another"))
	if no(t, err); hold.ID != "4" {
		t.Errorf("hold %s", hold.ID)
	}
	_, err = running.Release(t.Context(), store, "3", "x", asOf)
	no(t, err)
	if got := inForce(t, store); !slices.Equal(got, []string{"1", "2", "4"}) {
		t.Errorf("in force %v", got)
	}
}

// A hold whose number cannot be recorded is in force all the same, and says that it must be placed again.
func TestANumberThatIsNotRecorded(t *testing.T) {
	store := statetest.New()
	store.Down, store.Of = "create", "hold-numbers/"
	if _, err := New().Place(t.Context(), store, holdOn("id1")); !errors.Is(err, statetest.ErrDown) || !strings.Contains(err.Error(), "hold 1 is in force, but") {
		t.Errorf("%v", err)
	}
	store.Down = ""
	if got := inForce(t, store); len(got) != 1 {
		t.Errorf("in force %v", got)
	}
	hold, err := New().Place(t.Context(), store, holdOn("id1"))
	if no(t, err); hold.ID != "1" || len(store.Names("hold-numbers/")) != 1 {
		t.Errorf("placed again: hold %s, records %v", hold.ID, store.Names("hold-numbers/"))
	}
}

// A release that cannot be read releases nothing.
func TestDamagedReleases(t *testing.T) {
	const name = "releases/0000000001.json"
	for what, data := range map[string]string{"empty": "", "cut": `{"format":1,"hold":"2"`, "an empty object": "{}", "a future format": `{"format":2,"hold":"2","by":"x","at":"2026-01-01T00:00:00Z"}`,
		"no hold": `{"format":1,"hold":"","by":"x","at":"2026-01-01T00:00:00Z"}`, "all holds": `{"format":1,"hold":"*","by":"x","at":"2026-01-01T00:00:00Z"}`, "no time": `{"format":1,"hold":"2","by":"x"}`} {
		store := statetest.New()
		known := holds123(t, store)
		store.Put(name, []byte(data))
		for who, h := range map[string]*Holds{"a new process": New(), "a running process": known} {
			no(t, h.Refresh(t.Context(), store))
			if skipped := h.Skipped(); len(h.Latest().All()) != 3 || len(skipped) != 1 || !strings.Contains(skipped[0], name) {
				t.Errorf("%s: %s has %d holds, skipped %v", what, who, len(h.Latest().All()), skipped)
			}
		}
		if _, err := known.Release(t.Context(), store, "2", "x", asOf); err != nil {
			t.Errorf("%s: released again: %v", what, err)
		}
		if got := inForce(t, store); !slices.Equal(got, []string{"1", "3"}) {
			t.Errorf("%s: then %v are in force", what, got)
		}
	}
}

// A store that fails leaves the holds as they were, and an error.
func TestHoldsOfAStoreThatFails(t *testing.T) {
	for _, down := range [][2]string{{"list", "holds/"}, {"list", "releases/"}, {"list", "hold-numbers/"}, {"read", "holds/0000000003"}, {"read", "releases/"}} {
		store := statetest.New()
		_, err := holds123(t, store).Release(t.Context(), store, "1", "x", asOf)
		no(t, err)
		h := New()
		store.Down, store.Of = down[0], down[1]
		if err := h.Refresh(t.Context(), store); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%v: %v", down, err)
		}
		store.Down = ""
		no(t, h.Refresh(t.Context(), store))
		if n := len(h.Latest().All()); n != 2 {
			t.Errorf("%v: then %d holds", down, n)
		}
	}
}

// Programs that place and release at once lose nothing, and none takes another's number.
func TestConcurrentHolds(t *testing.T) {
	store := statetest.New()
	var all sync.WaitGroup
	for who := range 5 {
		all.Go(func() {
			h := New()
			for i := range 20 {
				hold, err := h.Place(t.Context(), store, holdOn(fmt.Sprintf("id-%d-%d", who, i)))
				if err == nil && i%2 == 0 {
					_, err = h.Release(t.Context(), store, hold.ID, "x", asOf)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	h := New()
	no(t, h.Refresh(t.Context(), store))
	targets := map[string]bool{}
	for _, hold := range h.Latest().All() {
		targets[hold.Target] = true
	}
	if len(targets) != 50 || !targets["id-3-7"] || targets["id-3-6"] {
		t.Errorf("%d holds: %v", len(targets), targets)
	}
}

// A new process reads a catalog and the few records after it. Without one, or with one that is
// damaged, it reads all.
func TestCatalog(t *testing.T) {
	store := statetest.New()
	h := New()
	for i := range 2*catalogStep + 50 {
		hold, err := h.Place(t.Context(), store, holdOn(fmt.Sprint("id", i)))
		if no(t, err); i%10 == 0 {
			_, err = h.Release(t.Context(), store, hold.ID, "x", asOf)
			no(t, err)
		}
	}
	want := inForce(t, store)
	if len(want) != 405 {
		t.Fatalf("%d holds", len(want))
	}
	catalogs := store.Names(catalogFolder)
	if len(catalogs) != 2 {
		t.Fatalf("catalogs %v", catalogs)
	}
	clear(store.Reads)
	if got := inForce(t, store); !slices.Equal(got, want) || len(store.Reads) > catalogStep {
		t.Errorf("%d holds after %d reads", len(got), len(store.Reads))
	}
	good := store.Records[catalogs[1]]
	for what, data := range map[string][]byte{"cut": good[:len(good)/2], "empty": nil, "the other": store.Records[catalogs[0]], "of the future": []byte(strings.Replace(string(good), `"format":1`, `"format":2`, 1)),
		"with a wrong hold": []byte(strings.Replace(string(good), `"id9"`, `"?"`, 1)), "without a hold": []byte(strings.Replace(string(good), `{"id":"2",`, `{"id":"500",`, 1))} {
		store.Put(catalogs[1], data)
		if got := inForce(t, store); !slices.Equal(got, want) {
			t.Errorf("catalog %s: %d holds", what, len(got))
		}
	}
	store.Put(catalogs[1], good)
	running := New()
	no(t, running.Refresh(t.Context(), store))
	// Somebody removes the latest records, and their numbers are used again.
	for number := h.catalog.Placed; number <= h.placed.last; number++ {
		delete(store.Records, h.placed.name(number))
	}
	hold, err := New().Place(t.Context(), store, holdOn("another"))
	no(t, err)
	for who, h := range map[string]*Holds{"a new process": New(), "a running process": running} {
		if err := h.Refresh(t.Context(), store); !errors.Is(err, state.ErrDamaged) { // what was removed held something
			t.Errorf("%s: %v", who, err)
		}
		if mark := h.Latest().Mark(medium("another"), retention.Mark{}); mark.Hold == nil {
			t.Errorf("%s does not see hold %s on another", who, hold.ID)
		}
	}
}

// The last record is removed, with all that proves it, and its number is used again. The time of the record shows it.
func TestTheLastNumberIsUsedAgain(t *testing.T) {
	store := statetest.New()
	running := holds123(t, store)
	const last = "holds/0000000003.json"
	store.Written[last] = asOf
	no(t, running.Refresh(t.Context(), store))
	no(t, running.Refresh(t.Context(), store)) // knows the time now
	delete(store.Records, last)
	delete(store.Records, "hold-numbers/0000000003.json")
	hold, err := New().Place(t.Context(), store, holdOn("another"))
	if no(t, err); hold.ID != "3" {
		t.Fatalf("hold %s", hold.ID)
	}
	store.Written[last] = asOf.Add(time.Second)
	no(t, running.Refresh(t.Context(), store))
	if mark := running.Latest().Mark(medium("another"), retention.Mark{}); mark.Hold == nil {
		t.Error("the process still has the hold that was removed")
	}
}

// A release says that a hold was there: a new hold gets another number, and one that is missing before it is missed.
func TestRecordsThatAReleaseProves(t *testing.T) {
	store := statetest.New()
	_, err := holds123(t, store).Release(t.Context(), store, "3", "x", asOf)
	no(t, err)
	delete(store.Records, "holds/0000000003.json")
	delete(store.Records, "hold-numbers/0000000003.json")
	hold, err := New().Place(t.Context(), store, holdOn("another"))
	if no(t, err); hold.ID != "4" || !slices.Equal(inForce(t, store), []string{"1", "2", "4"}) {
		t.Errorf("hold %s, in force %v", hold.ID, inForce(t, store))
	}
	delete(store.Records, "holds/0000000004.json")
	delete(store.Records, "holds/0000000002.json")
	for _, name := range store.Names("hold-numbers/") { // earlier versions wrote none
		delete(store.Records, name)
	}
	if err := New().Refresh(t.Context(), store); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "holds/0000000002.json") {
		t.Errorf("the last hold is missing: %v", err)
	}
}

// meanwhile is a store in which another process does something right after a record was written.
type meanwhile struct {
	*statetest.Memory
	do func(name string)
}

func (m meanwhile) Create(ctx context.Context, name string, data []byte) error {
	defer m.do(name)
	return m.Memory.Create(ctx, name, data)
}

// A hold that another process releases while it is placed is not said to be in force.
func TestAHoldThatIsReleasedAtOnce(t *testing.T) {
	store := statetest.New()
	release := func(name string) {
		if name == "holds/0000000001.json" {
			store.Put("releases/0000000001.json", []byte(`{"format":1,"hold":"1","by":"x","at":"2026-01-01T00:00:00Z"}`))
		}
	}
	if hold, err := New().Place(t.Context(), meanwhile{store, release}, holdOn("id1")); err == nil || !strings.Contains(err.Error(), "is not in force") {
		t.Errorf("hold %s: %v", hold.ID, err)
	}
}

// Callers that wait for a read share the next one.
func TestRefreshIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := statetest.New()
		store.Slow = time.Second
		h := New()
		began := time.Now()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := h.Refresh(t.Context(), store); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 6*time.Second { // three lists, and two
			t.Errorf("it took %s", took)
		}
	})
}

// A model of random holds and releases by several processes agrees with each after a read.
func TestHoldsOfManyProcesses(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	store, model := statetest.New(), map[string]bool{}
	processes := []*Holds{New(), New(), New()}
	for range 300 {
		at := rng.IntN(len(processes))
		switch rng.IntN(5) {
		case 0:
			processes[at] = New()
		case 1, 2, 3:
			hold, err := processes[at].Place(t.Context(), store, holdOn(fmt.Sprint("id", rng.IntN(50))))
			no(t, err)
			model[hold.ID] = true
		case 4:
			id := fmt.Sprint(1 + rng.IntN(len(model)+1))
			_, err := processes[at].Release(t.Context(), store, id, "x", asOf)
			if (err == nil) != model[id] {
				t.Fatalf("release of %s: %v", id, err)
			}
			if err == nil {
				model[id] = false
			}
		}
		no(t, processes[at].Refresh(t.Context(), store))
		n := 0
		for _, held := range model {
			if held {
				n++
			}
		}
		all := processes[at].Latest().All()
		for _, hold := range all {
			if !model[hold.ID] {
				t.Fatalf("hold %s is in force", hold.ID)
			}
		}
		if len(all) != n {
			t.Fatalf("%d holds, want %d", len(all), n)
		}
	}
}
