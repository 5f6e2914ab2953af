// Package restore adds deleted media again, from the records in the run's plan and the source objects
// in OSS.
package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
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
	// DryRun finds out what would be restored, and changes nothing.
	DryRun bool
	// Only are the media IDs to restore; empty for all.
	Only []string

	// promised has hashes of the objects that a dry run would restore: there may be a million.
	promised map[uint64]bool
	seed     maphash.Seed
}

// Deletion is a run whose media are to be restored, or a plan: Run is then its ID.
type Deletion struct {
	Run string
	// Plan is the run's plan. Outcomes is the run in whose folder the outcomes are: Run itself, or
	// the run that it resumed.
	Plan, Outcomes string
	// Interrupted is true if the run may have deleted media without recording an outcome. Ended is
	// the number of outcomes that it reported.
	Interrupted bool
	Ended       int
}

// Run restores the deleted media of a run, and calls each with every result. It adds no medium after
// admit has ended, and then returns its error.
//
// A medium is restored if its object exists and has no medium. A hold on the object is recorded
// first, so that the next sweep does not delete the medium again.
func (s *Restorer) Run(ctx, admit context.Context, of Deletion, each func(report.RestoredMedium)) error {
	s.promised, s.seed = map[uint64]bool{}, maphash.MakeSeed()
	outcomes, _, err := journal.Outcomes(ctx, s.Store, of.Outcomes, of.Run)
	if err != nil {
		return err
	}
	// A run has several plans if its request was repeated.
	plans := map[string]bool{}
	for _, outcome := range outcomes {
		plans[outcome.Plan] = true
	}
	if len(plans) == 0 {
		plans[of.Plan] = true
	}
	of.Interrupted = of.Interrupted || len(outcomes) < of.Ended
	wanted := map[string]bool{}
	for _, id := range s.Only {
		wanted[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(plans)) {
		contents, err := journal.ReadPlan(ctx, s.Store, id)
		if err == nil {
			err = contents.CheckRegion(s.Region)
		}
		if err != nil {
			return err
		}
		var some []*lost
		for entry, err := range journal.Entries(ctx, s.Store, contents) {
			if err != nil {
				return err
			}
			outcome, known := outcomes[entry.MediaID]
			if len(s.Only) > 0 && !slices.Contains(s.Only, entry.MediaID) || known && outcome.Plan != id {
				continue
			}
			delete(wanted, entry.MediaID)
			one := lostOf(entry)
			one.skipped = cmp.Or(one.skipped, of.notDeleted(outcome, known))
			if some = append(some, one); len(some) == segments.MaxLines {
				if err := s.restore(ctx, admit, of.Run, id, some, each); err != nil {
					return err
				}
				some = nil
			}
		}
		if err := s.restore(ctx, admit, of.Run, id, some, each); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		each(report.RestoredMedium{MediaID: id, Result: report.Skipped, Reason: "the plan does not have it"})
	}
	return nil
}

// notDeleted says why a medium was not deleted by the run; empty if it was, or may have been.
func (of Deletion) notDeleted(outcome journal.Outcome, known bool) string {
	switch {
	case known && (outcome.Became == journal.Gone || outcome.Became == journal.Failed):
		return "the run did not delete it: " + string(outcome.Became)
	case known && !outcome.IsOf(of.Run):
		return fmt.Sprintf("the run did not delete it: run %s did", outcome.By(of.Run))
	case !known && !of.Interrupted:
		return "the run did not delete it"
	}
	return ""
}

// restore restores some media of a plan, and calls each with their results. It adds the restored ones
// to the history, also after an error.
func (s *Restorer) restore(ctx, admit context.Context, run, planID string, some []*lost, each func(report.RestoredMedium)) error {
	if err := admit.Err(); err != nil {
		return err
	}
	if err := s.check(ctx, some); err != nil {
		return err
	}
	var open []*lost
	var held []media.Object
	for _, one := range some {
		if one.open() && !s.DryRun {
			open, held = append(open, one), append(held, one.object)
			continue
		}
		if one.open() {
			s.promised[maphash.Comparable(s.seed, one.object)] = true
		}
		each(one.result())
	}
	if err := admit.Err(); err != nil || len(open) == 0 {
		return err
	}
	if err := journal.HoldRestored(ctx, s.Store, s.Now(), held); err != nil {
		return fmt.Errorf("hold the restored media: %w", err)
	}
	err := s.addAll(ctx, admit, open, each)
	s.record(ctx, run, planID, open)
	return err
}

// record adds restored media to the history. A failure is no error: the history then says how to restore
// them, and a second restore skips them.
func (s *Restorer) record(ctx context.Context, run, planID string, tried []*lost) {
	var decisions []history.Decision
	for _, one := range tried {
		if one.newID != "" {
			decisions = append(decisions, history.Decision{
				At: s.Now(), MediaID: one.id, Outcome: history.Restored, NewID: one.newID, Run: run, Plan: planID, Object: one.object.String(),
			})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, deadline.MaxRecord)
	defer cancel()
	_ = history.Record(ctx, s.Store, s.Now(), decisions)
}

// check skips the media whose objects are gone, or have a medium.
func (s *Restorer) check(ctx context.Context, some []*lost) error {
	var objects []media.Object
	for _, one := range some {
		if one.open() {
			objects = append(objects, one.object)
		}
	}
	there, err := s.there(ctx, objects)
	if err != nil {
		return err
	}
	taken := map[media.Object]string{}
	for _, one := range some {
		switch id, other := there[one.object], taken[one.object]; {
		case !one.open():
		case id != "":
			one.skipped = "its object has a medium: " + id
		case other != "": // an object has one medium
			one.skipped = "its object comes back for another medium: " + other
		case s.promised[maphash.Comparable(s.seed, one.object)]:
			one.skipped = "its object comes back for another medium"
		default:
			taken[one.object] = one.id
		}
	}
	return state.Each(ctx, len(some), mps.InFlight, func(ctx context.Context, i int) error {
		if !some[i].open() {
			return nil
		}
		return s.checkSource(ctx, some[i])
	})
}

// adding bounds the concurrent additions: those in flight when admit ends have the rest of the time.
const adding = 64

// addAll adds media concurrently, and calls each with every result as it comes.
func (s *Restorer) addAll(ctx, admit context.Context, open []*lost, each func(report.RestoredMedium)) error {
	added := make(chan *lost)
	ended := task.Go(func() error {
		defer close(added)
		return state.Each(ctx, len(open), adding, func(ctx context.Context, i int) error {
			select {
			case <-admit.Done():
				return nil
			default:
			}
			one := open[i]
			one.newID, one.failed = s.add(ctx, one)
			if one.failed != nil && ctx.Err() != nil {
				return ctx.Err()
			}
			added <- one
			if mps.Is(one.failed, mps.Unauthorized) {
				return one.failed // no other medium can be added
			}
			return nil
		})
	})
	for one := range added {
		each(one.result())
	}
	return cmp.Or(ended(), admit.Err())
}

// late is the time for which MPS may not show a medium that was added, as with deletions.
const late = 3 * time.Second

// add adds a medium. After an ambiguous try it looks for the medium before it tries again: MPS does not say whether an object
// can have two.
func (s *Restorer) add(ctx context.Context, one *lost) (id string, err error) {
	for range mps.MaxTries {
		id, err = s.Library.Add(ctx, one.object.URL(s.Region, media.SlashPlain), one.texts)
		if err == nil && id == "" {
			err = &mps.Error{Op: mps.AddMedia, Kind: mps.Ambiguous, Message: "the answer has no MediaId"}
		}
		if !mps.Is(err, mps.Throttled, mps.Ambiguous) {
			return id, err
		}
		there, readErr := s.there(ctx, []media.Object{one.object})
		if readErr == nil && there[one.object] == "" && mps.Is(err, mps.Ambiguous) {
			if readErr = task.Sleep(ctx, late); readErr == nil {
				there, readErr = s.there(ctx, []media.Object{one.object})
			}
		}
		if readErr != nil {
			return "", errors.Join(err, readErr)
		}
		if there[one.object] != "" {
			return there[one.object], nil
		}
	}
	return "", err
}
