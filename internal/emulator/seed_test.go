package emulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

var asOf = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func seeded(t *testing.T, n int, seed uint64) *emulator.Emulator {
	t.Helper()
	return start(t, emulator.Config{Media: n, Seed: seed, AsOf: asOf, Now: func() time.Time { return asOf }})
}

func TestSeedIsDeterministic(t *testing.T) {
	a, b, c := seeded(t, 300, 1), seeded(t, 300, 1), seeded(t, 300, 2)
	if !reflect.DeepEqual(a.Media(), b.Media()) || !reflect.DeepEqual(a.Objects("media-in"), b.Objects("media-in")) {
		t.Error("one seed made two libraries")
	}
	if a.Media()[0].ID == c.Media()[0].ID {
		t.Error("two seeds made one library")
	}
	if x, y := a.Add(emulator.Medium{}), b.Add(emulator.Medium{}); x.ID != y.ID {
		t.Error("one seed made two IDs")
	}
}

// expired is the policy retention.yaml in as few words as possible.
func expired(m emulator.Medium) bool {
	created, err := time.Parse("2006-01-02T15:04:05Z", m.CreationTime)
	if err != nil || created.After(asOf) || slices.Contains(m.Tags, "legal-hold") {
		return false
	}
	keep := 180
	if strings.HasPrefix(m.Key, "drafts/") && m.PublishState != "Published" {
		keep = 7
	}
	return !asOf.Before(created.AddDate(0, 0, keep))
}

func TestSeedSuitsThePolicy(t *testing.T) {
	for _, n := range []int{200, 201, 237, 250, 333, 500, 777, 1000, 1234, 2500, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			e := seeded(t, n, uint64(n))
			var live, gone, old, held, heldOld, initiated, unknown int
			ids, keys := map[string]bool{}, map[string]bool{}
			for _, m := range e.Media() {
				ids[m.ID], keys[m.Key] = true, true
				if len(m.ID) != 32 || strings.Trim(m.ID, "0123456789abcdef") != "" {
					t.Errorf("ID %q", m.ID)
				}
				if m.Deleted {
					gone++
					continue
				}
				live++
				if m.PublishState == "Initiated" {
					initiated++
				}
				if slices.Contains(m.Tags, "legal-hold") {
					held++
					m.Tags = nil
					if expired(m) {
						heldOld++
					}
					continue
				}
				if m.CreationTime == "" || m.CreationTime > asOf.Format(time.RFC3339) {
					unknown++
				}
				if expired(m) {
					old++
				}
			}
			if share := 100 * float64(old) / float64(live); share < 6 || share > 8 {
				t.Errorf("%.1f %% of the live media are expired", share)
			}
			if len(ids) != n || len(keys) != n {
				t.Errorf("%d IDs and %d keys of %d media", len(ids), len(keys), n)
			}
			for what, count := range map[string]int{"deleted": gone, "held": held, "old but held": heldOld, "initiated": initiated} {
				if count == 0 || count > n/20 {
					t.Errorf("%d are %s", count, what)
				}
			}
			if unknown != 3 {
				t.Errorf("%d of unknown age", unknown)
			}
			sources := e.Objects("media-in")
			if len(sources) != n+n/50 {
				t.Errorf("%d objects for %d media", len(sources), n)
			}
			for _, o := range sources {
				if len(o.Key) > 1023 {
					t.Errorf("key of %d bytes", len(o.Key))
				}
			}
			if len(e.Objects("media-out")) < 3*n/2 || len(e.Objects("ops")) != 0 {
				t.Error("buckets of outputs and operations")
			}
		})
	}
}

// Every source can be asked for by the URL that the library gives out.
func TestSeededMediaAreFoundByURL(t *testing.T) {
	for _, form := range []emulator.URLForm{emulator.RawSlash, emulator.EscapedSlash} {
		e := start(t, emulator.Config{Media: 500, MPS: emulator.MPSOptions{URLForm: form, Quota: map[string]int{"QueryMediaList": 1000, "QueryMediaListByURL": 1000}}})
		c := mpsClient(t, e)
		for _, m := range e.Media() {
			if m.Deleted {
				continue
			}
			byID, err := queryMedia(c, m.ID)
			if err != nil {
				t.Fatal(err)
			}
			byURL, err := queryURLs(c, byID.MediaList.Media[0].File.URL)
			if err != nil {
				t.Fatal(err)
			}
			if len(byURL.MediaList.Media) != 1 || byURL.MediaList.Media[0].MediaId != m.ID {
				t.Errorf("%s: %+v", byID.MediaList.Media[0].File.URL, byURL)
			}
		}
		noViolations(t, e)
	}
}

func TestAdmin(t *testing.T) {
	e := seeded(t, 100, 1)
	e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Hang, After: 100})
	fetch := func(path string, v any) {
		t.Helper()
		r, err := http.Get(e.URL() + "/_emulator/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, r.Status)
		}
		if err := json.NewDecoder(r.Body).Decode(v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	var summary struct {
		Media, Deleted, Violations int
		Faults                     []string
		Objects                    map[string]int
	}
	fetch("", &summary)
	if summary.Media != 100 || summary.Deleted != 2 || summary.Objects["media-in"] != 102 || !slices.Equal(summary.Faults, []string{"*:hang:after=100"}) {
		t.Errorf("summary %+v", summary)
	}
	var library []emulator.Medium
	fetch("library", &library)
	if !reflect.DeepEqual(library, e.Media()) {
		t.Error("library")
	}
	var calls []emulator.Call
	fetch("calls", &calls)
	var violations []string
	fetch("violations", &violations)
	if len(calls)+len(violations) != 0 || violations == nil {
		t.Errorf("calls %v, violations %v", calls, violations)
	}
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodPost, "library", http.StatusMethodNotAllowed},
		{http.MethodGet, "credentials", http.StatusNotFound},
	} {
		r, err := http.NewRequest(tt.method, e.URL()+"/_emulator/"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != tt.want {
			t.Errorf("%s %s: %s", tt.method, tt.path, answer.Status)
		}
	}
}

// What is forgotten is in no list, and no call is on record.
func TestForget(t *testing.T) {
	e := start(t, emulator.Config{Media: 3})
	gone := e.Media()[1]
	e.PutObject("media-in", "other.mp4", nil, time.Now())
	response, err := http.Get(e.URL() + "/media-in/other.mp4")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	e.Forget(func(m emulator.Medium) bool { return m.ID == gone.ID })
	if _, ok := e.Medium(gone.ID); ok || len(e.Media()) != 2 || len(e.Calls()) != 0 {
		t.Errorf("%v: %d media, %d calls", ok, len(e.Media()), len(e.Calls()))
	}
	if _, ok := e.Object(gone.Bucket, gone.Key); ok {
		t.Error("its object is there")
	}
	if m := e.Add(emulator.Medium{Bucket: gone.Bucket, Key: gone.Key}); m.ID == gone.ID {
		t.Error("its object still has its ID")
	}
}
