// Package restore adds deleted media again, from the records in the run's plan and the source objects
// in OSS.
package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

// Library looks media up, and adds them.
type Library interface {
	lookup.Library
	Add(ctx context.Context, fileURL string, texts mps.Texts) (id string, err error)
}

// Sources checks whether source objects exist.
type Sources interface {
	Exists(ctx context.Context, object media.Object) (bool, error)
}

// Restorer holds the dependencies of a restore.
type Restorer struct {
	Library Library
	Sources Sources
	Store   state.Store
	Marks   *journal.Tombstones
	Region  string
	Now     func() time.Time
}

// Deletion is a run whose media are to be restored.
type Deletion struct {
	Run string
	// Plan is the run's plan. Ledger is the run in whose folder the outcomes are: Run itself, or the
	// run that it resumed.
	Plan, Ledger string
	// CutOff is true if the run may have deleted media without recording an outcome. Ended is the
	// number of outcomes that it reported.
	CutOff bool
	Ended  int
}

// Report is the result of a restore.
type Report struct {
	Run      string     `json:"run"`
	Plan     string     `json:"plan"`
	Restored []Restored `json:"restored"`
	Skipped  []Skipped  `json:"skipped"`
	Failed   []Skipped  `json:"failed"`
}

// Restored is a medium that was added again, with a new ID.
type Restored struct {
	OldID  string `json:"oldId"`
	NewID  string `json:"newId"`
	Object string `json:"object"`
}

// Skipped is a medium that was not restored, with the reason.
type Skipped struct {
	MediaID string `json:"mediaId"`
	Object  string `json:"object"`
	Reason  string `json:"reason"`
}

// record holds the fields of a media record that a restore needs.
type record struct {
	Title, Description, CoverURL string
	CateID                       json.Number `json:"CateId"`
	Tags                         struct{ Tag []string }
	File                         struct{ URL string }
}

// Run restores the deleted media of a run, or only those of some IDs. After an error the report has
// the media up to the error.
//
// A medium is restored if its object exists and has no medium. A hold on the object is recorded
// first, so that the next sweep does not delete the medium again.
func (s *Restorer) Run(ctx context.Context, of Deletion, only []string) (*Report, error) {
	done := &Report{Run: of.Run, Plan: of.Plan, Restored: []Restored{}, Skipped: []Skipped{}, Failed: []Skipped{}}
	outcomes, _, err := journal.Outcomes(ctx, s.Store, of.Ledger, of.Run)
	if err != nil {
		return done, err
	}
	// A run has several plans if its request was repeated.
	plans := map[string]bool{}
	for _, outcome := range outcomes {
		plans[outcome.Plan] = true
	}
	if len(plans) == 0 {
		plans[of.Plan] = true
	}
	of.CutOff = of.CutOff || len(outcomes) < of.Ended
	wanted := map[string]bool{}
	for _, id := range only {
		wanted[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(plans)) {
		var some []lost
		for entry, err := range s.entries(ctx, id) {
			if err != nil {
				return done, err
			}
			outcome, known := outcomes[entry.MediaID]
			if len(only) > 0 && !slices.Contains(only, entry.MediaID) || known && outcome.Plan != id {
				continue
			}
			delete(wanted, entry.MediaID)
			one := lostOf(entry)
			if one.skipped == "" && (!known && !of.CutOff || outcome.IsNone()) {
				one.skipped = strings.TrimSuffix("the run did not delete it: "+string(outcome.Became), ": ")
			}
			if some = append(some, one); len(some) == plan.SegmentEntries {
				if err := s.restore(ctx, id, some, done); err != nil {
					return done, err
				}
				some = nil
			}
		}
		if err := s.restore(ctx, id, some, done); err != nil {
			return done, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		done.Skipped = append(done.Skipped, Skipped{MediaID: id, Reason: "the run's plan does not have it"})
	}
	return done, nil
}

// entries yields the entries of a saved plan.
func (s *Restorer) entries(ctx context.Context, id string) iter.Seq2[plan.Entry, error] {
	contents, err := journal.ReadPlan(ctx, s.Store, id)
	if err != nil {
		return func(yield func(plan.Entry, error) bool) { yield(plan.Entry{}, err) }
	}
	return journal.Entries(ctx, s.Store, contents)
}

// lost is a medium that may be restored. Its result is one of the last three fields.
type lost struct {
	id     string
	object media.Object
	texts  mps.Texts

	newID   string
	skipped string // the reason
	failed  error
}

// open reports whether the medium has no result yet.
func (l *lost) open() bool { return l.newID == "" && l.skipped == "" && l.failed == nil }

// lostOf parses an entry. It sets skipped if the entry cannot be restored.
func lostOf(entry plan.Entry) lost {
	one := lost{id: entry.MediaID}
	var r record
	if err := json.Unmarshal(entry.Record, &r); err != nil {
		one.skipped = "its record cannot be read"
		return one
	}
	object, err := media.ParseURL(r.File.URL)
	if err != nil {
		one.skipped = "its record names no object"
		return one
	}
	one.object = object
	one.texts = mps.Texts{Title: r.Title, Description: r.Description, CoverURL: r.CoverURL, Category: r.CateID.String(), Tags: r.Tags.Tag}
	return one
}

// restore restores some media of a plan concurrently. It adds their results to the report and the
// history, also after an error.
func (s *Restorer) restore(ctx context.Context, planID string, some []lost, done *Report) error {
	err := s.addMissing(ctx, some)
	earlier := len(done.Restored)
	for _, one := range some {
		switch {
		case one.newID != "":
			done.Restored = append(done.Restored, Restored{one.id, one.newID, one.object.String()})
		case one.skipped != "":
			done.Skipped = append(done.Skipped, Skipped{one.id, one.object.String(), one.skipped})
		case one.failed != nil:
			done.Failed = append(done.Failed, Skipped{one.id, one.object.String(), one.failed.Error()})
		}
	}
	s.record(ctx, done.Run, planID, done.Restored[earlier:])
	return err
}

// recordTime bounds the time for the record of a thousand restored media.
const recordTime = 5 * time.Second

// record adds restored media to the history. A failure is no error: the history then says how to restore
// them, and a second restore skips them.
func (s *Restorer) record(ctx context.Context, run, planID string, restored []Restored) {
	var decisions []history.Decision
	for _, one := range restored {
		decisions = append(decisions, history.Decision{
			At: s.Now(), MediaID: one.OldID, Outcome: history.Restored, NewID: one.NewID, Run: run, Plan: planID, Object: one.Object,
		})
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	_ = history.Record(ctx, s.Store, s.Now(), decisions)
}

// addMissing adds the media whose objects exist and have no medium. It records holds for all of them
// first.
func (s *Restorer) addMissing(ctx context.Context, some []lost) error {
	var objects []media.Object
	for i := range some {
		if some[i].open() {
			objects = append(objects, some[i].object)
		}
	}
	there, err := s.there(ctx, objects)
	if err != nil {
		return err
	}
	err = forOpen(ctx, some, func(ctx context.Context, one *lost) error {
		if id := there[one.object]; id != "" {
			one.skipped = "its object has a medium: " + id
			return nil
		}
		exists, err := s.Sources.Exists(ctx, one.object)
		switch {
		case err != nil:
			one.failed = err
		case !exists:
			one.skipped = "its object is gone"
		}
		return nil
	})
	if err != nil {
		return err
	}
	var held []media.Object
	for i := range some {
		if some[i].open() {
			held = append(held, some[i].object)
		}
	}
	if err := journal.HoldRestored(ctx, s.Store, s.Now(), held); err != nil {
		return fmt.Errorf("hold the restored media: %w", err)
	}
	return forOpen(ctx, some, func(ctx context.Context, one *lost) error {
		one.newID, one.failed = s.add(ctx, one)
		var refusal *mps.Error
		if ctx.Err() != nil || errors.As(one.failed, &refusal) && refusal.Kind == mps.Unauthorized {
			return one.failed // no other medium can be added
		}
		return nil
	})
}

// forOpen calls do for all open media, concurrently. The first error ends it.
func forOpen(ctx context.Context, some []lost, do func(context.Context, *lost) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(mps.InFlight)
	for i := range some {
		if one := &some[i]; one.open() && ctx.Err() == nil {
			group.Go(func() error { return task.Do(func() error { return do(ctx, one) }) })
		}
	}
	return group.Wait()
}

// add adds a medium. After an ambiguous try it looks for the medium before it tries again.
func (s *Restorer) add(ctx context.Context, one *lost) (id string, err error) {
	for range mps.MaxTries {
		id, err = s.Library.Add(ctx, one.object.URL(s.Region, media.SlashPlain), one.texts)
		if err == nil && id == "" {
			err = &mps.Error{Op: mps.AddMedia, Kind: mps.Ambiguous, Message: "the answer has no MediaId"}
		}
		var failed *mps.Error
		if err == nil || !errors.As(err, &failed) || failed.Kind == mps.Rejected || failed.Kind == mps.Unauthorized {
			return id, err
		}
		there, readErr := s.there(ctx, []media.Object{one.object})
		if readErr != nil {
			return "", errors.Join(err, readErr)
		}
		if there[one.object] != "" {
			return there[one.object], nil
		}
	}
	return "", err
}

// there returns the IDs of the live media of objects. A medium with a tombstone is not live, although
// MPS may show it as Initiated.
func (s *Restorer) there(ctx context.Context, objects []media.Object) (map[media.Object]string, error) {
	ids := map[media.Object]string{}
	var mu sync.Mutex
	for _, slash := range []media.Slash{media.SlashPlain, media.SlashEscaped} {
		asked := slices.DeleteFunc(slices.Clone(objects), func(object media.Object) bool {
			return ids[object] != "" || slash == media.SlashEscaped && !strings.Contains(object.Key, "/")
		})
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(mps.InFlight)
		for few, err := range lookup.Batches(inventory.Of(nil, asked), s.Region, slash) {
			if err != nil {
				return nil, err
			}
			group.Go(func() error {
				return task.Do(func() error {
					found, err := s.live(ctx, few)
					mu.Lock()
					defer mu.Unlock()
					maps.Copy(ids, found)
					return err
				})
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// live returns the IDs of the live media of a batch of objects.
func (s *Restorer) live(ctx context.Context, batch lookup.Batch) (map[media.Object]string, error) {
	ids := map[media.Object]string{}
	for _, result := range lookup.Run(ctx, ctx, s.Library, batch, s.Region) {
		if result.Err != nil {
			return ids, result.Err
		}
		for _, found := range result.Answer.Found {
			m := &found.Medium
			if m.Doubt == "" && m.State != media.StateDeleted && s.Marks.Of(m).Kind != retention.Deleted {
				ids[m.Object] = m.ID
			}
		}
	}
	return ids, nil
}
