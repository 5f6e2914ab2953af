package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/media/mediatest"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

const region = "cn-shanghai"

var errDown = errors.New("it is down")

// testMedium returns a medium of the object media-in/key.
func testMedium(id, key, shown string) media.Medium {
	return mediatest.Medium(id, key, shown, time.Date(2025, 6, 30, 0, 0, 0, 0, time.UTC))
}

// world is a restore over a library and source objects in memory.
type world struct {
	*Restorer
	t *testing.T

	mu sync.Mutex
	// live holds the media of the library, by their object. Those of escaped are found with escaped slashes only.
	live    map[media.Object]media.Medium
	escaped map[media.Object]bool
	// added are the objects of all AddMedia calls, and texts those of the last call.
	added []media.Object
	texts mps.Texts
	// onAdd answers an AddMedia call in place of the library.
	onAdd func(call int, object media.Object) (id string, err error)
	// looks is the error of each look-up, and exists that of a check of a source object. gone are objects without a source.
	looks, exists error
	gone          map[media.Object]bool
	down          string // the folder in which no record can be written
}

// newWorld returns a world in which the run "run" deleted so many media of clips/, by a plan of this region.
func newWorld(t *testing.T, many int) (*world, Deletion) {
	t.Helper()
	w := &world{t: t, live: map[media.Object]media.Medium{}, escaped: map[media.Object]bool{}, gone: map[media.Object]bool{}}
	w.Restorer = &Restorer{Library: w, Sources: sources{w}, Store: &store{Store: state.Folder(t.TempDir()), w: w}, Marks: journal.NewTombstones(),
		Region: region, Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }}
	var list []media.Medium
	for i := range many {
		list = append(list, testMedium(fmt.Sprintf("m%04d", i), fmt.Sprint("clips/", i), "Published"))
	}
	made := w.plan(region, list...)
	w.outcomes(made, list...)
	return w, Deletion{Run: "run", Plan: made, Outcomes: "run"}
}

// plan saves a plan, and returns its ID.
func (w *world) plan(of string, list ...media.Medium) string {
	w.t.Helper()
	head := plan.Head{AsOf: w.Now(), Policy: "sha256:0", Scope: plan.Scope{Inventory: []string{fmt.Sprint(list[0].ID, len(list))}}}
	contents, err := journal.SavePlan(w.t.Context(), w.Store, plan.Contents{Head: head, Region: of}, func(yield func(plan.Line, error) bool) {
		for _, m := range list {
			if !yield(plan.LineOf(plan.Entry{MediaID: m.ID, Rule: "old", Reason: "old", State: m.State, Record: m.Record}, m.Created, w.Now())) {
				return
			}
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return contents.ID
}

// outcomes records that the run deleted media of a plan.
func (w *world) outcomes(of string, list ...media.Medium) {
	w.t.Helper()
	var all []journal.Outcome
	for _, m := range list {
		all = append(all, journal.Outcome{MediaID: m.ID, Became: journal.Deleted, Plan: of})
	}
	if _, err := journal.AddOutcomes(w.t.Context(), w.Store, "run", 0, all); err != nil {
		w.t.Fatal(err)
	}
}

// object returns the object of a medium of newWorld.
func object(i int) media.Object {
	return media.Object{Bucket: "media-in", Key: fmt.Sprint("clips/", i)}
}

// run restores, and returns the results by media ID.
func (w *world) run(ctx, admit context.Context, of Deletion) (map[string]report.RestoredMedium, error) {
	w.t.Helper()
	results := map[string]report.RestoredMedium{}
	err := w.Run(ctx, admit, of, func(one report.RestoredMedium) {
		if _, twice := results[one.MediaID]; twice {
			w.t.Errorf("%s has two results", one.MediaID)
		}
		results[one.MediaID] = one
	})
	return results, err
}

// records returns the names of the records of a folder.
func (w *world) records(folder string) (names []string) {
	w.t.Helper()
	for record, err := range w.Store.List(context.Background(), folder, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		names = append(names, record.Name)
	}
	return names
}

func (w *world) Add(_ context.Context, fileURL string, texts mps.Texts) (id string, err error) {
	of, err := media.ParseURL(fileURL)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.added, w.texts = append(w.added, of), texts
	if w.onAdd != nil {
		return w.onAdd(len(w.added), of)
	}
	return w.put(of), nil
}

// put adds the medium of an object, and returns its ID.
func (w *world) put(of media.Object) string {
	id := "new-" + strings.ReplaceAll(of.Key, "/", "-")
	w.live[of] = testMedium(id, of.Key, "Initiated")
	return id
}

func (w *world) Permit(context.Context, mps.Operation) (mps.Permit, error) { return permit{w: w}, nil }

type permit struct {
	mps.Permit
	w *world
}

func (p permit) ByURL(_ context.Context, urls []string) (found mps.Found, err error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for _, address := range urls {
		of, err := media.ParseURL(address)
		if err != nil {
			return found, err
		}
		m, ok := p.w.live[of]
		if ok && (!p.w.escaped[of] || address == of.URL(region, media.SlashEscaped)) {
			found.Media = append(found.Media, m)
		} else {
			found.Missing = append(found.Missing, address)
		}
	}
	return found, p.w.looks
}

type sources struct{ w *world }

func (s sources) Exists(_ context.Context, of media.Object) (bool, error) {
	return s.w.exists == nil && !s.w.gone[of], s.w.exists
}

// store writes no record into the folder that is down.
type store struct {
	state.Store
	w *world
}

func (s *store) Create(ctx context.Context, name string, data []byte) error {
	if s.w.down != "" && strings.HasPrefix(name, s.w.down) {
		return errDown
	}
	return s.Store.Create(ctx, name, data)
}
