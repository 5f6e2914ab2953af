package sweep

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Restorer is the library as a restore uses it.
type Restorer interface {
	inventory.Library
	Add(ctx context.Context, fileURL string, texts mps.Texts) (id string, err error)
}

// Sources tells whether objects are there.
type Sources interface {
	Exists(ctx context.Context, object media.Object) (bool, error)
}

// Restore brings back media that a run deleted.
type Restore struct {
	Library Restorer
	Sources Sources
	Store   state.Store
	Marks   *Marks
	Region  string
	Now     func() time.Time
	// CutOff says that the run may have deleted more than its ledger has.
	CutOff bool
}

// Restoration tells what a restore did.
type Restoration struct {
	Run      string     `json:"run"`
	Plan     string     `json:"plan"`
	Restored []Restored `json:"restored"`
	Skipped  []Skipped  `json:"skipped"`
	Failed   []Skipped  `json:"failed"`
}

// Restored is one medium that was added again: it has a new ID.
type Restored struct {
	OldID  string `json:"oldId"`
	NewID  string `json:"newId"`
	Object string `json:"object"`
}

// Skipped is one medium that was not restored, and why.
type Skipped struct {
	MediaID string `json:"mediaId"`
	Object  string `json:"object"`
	Reason  string `json:"reason"`
}

// record is what a restore takes of a media record.
type record struct {
	Title, Description, CoverURL string
	CateID                       json.Number `json:"CateId"`
	Tags                         struct{ Tag []string }
	File                         struct{ URL string }
}

// Run restores the media that a run deleted, or only some of them. It is partial
// where it says so, and its error is why it went no further.
//
// A medium is restored if its object is there and has no medium again. Before it is
// added its object is marked, so that the next sweep does not take it again.
func (s *Restore) Run(ctx context.Context, run, planID string, only []string) (*Restoration, error) {
	done := &Restoration{Run: run, Plan: planID, Restored: []Restored{}, Skipped: []Skipped{}, Failed: []Skipped{}}
	outcomes, records, err := Outcomes(ctx, s.Store, run)
	if err != nil {
		return done, err
	}
	contents, err := Kept(ctx, s.Store, cmp.Or(records, planID))
	if err != nil {
		return done, err
	}
	wanted := map[string]bool{}
	for _, id := range only {
		wanted[id] = true
	}
	var batch []lost
	for entry, err := range Entries(ctx, s.Store, contents) {
		if err != nil {
			return done, err
		}
		if len(only) > 0 && !wanted[entry.MediaID] {
			continue
		}
		delete(wanted, entry.MediaID)
		one, why := s.lost(entry, outcomes)
		if why != "" {
			done.Skipped = append(done.Skipped, Skipped{entry.MediaID, one.object.String(), why})
			continue
		}
		if batch = append(batch, one); len(batch) == mps.MaxBatch {
			if err := s.batch(ctx, batch, done); err != nil {
				return done, err
			}
			batch = nil
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		done.Skipped = append(done.Skipped, Skipped{MediaID: id, Reason: "the run's plan does not have it"})
	}
	return done, s.batch(ctx, batch, done)
}

// lost is a medium that may be restored.
type lost struct {
	id     string
	object media.Object
	texts  mps.Texts
}

// lost reads what a restore needs of an entry, or says why it cannot be restored.
// An entry without an outcome may have been deleted by a run that was cut off.
func (s *Restore) lost(entry plan.Entry, outcomes map[string]string) (one lost, why string) {
	one.id = entry.MediaID
	var r record
	if err := json.Unmarshal(entry.Record, &r); err != nil {
		return one, "its record cannot be read"
	}
	object, err := media.ParseURL(r.File.URL)
	if err != nil {
		return one, "its record names no object"
	}
	one.object = object
	one.texts = mps.Texts{Title: r.Title, Description: r.Description, CoverURL: r.CoverURL, Category: r.CateID.String(), Tags: r.Tags.Tag}
	switch outcome := outcomes[entry.MediaID]; {
	case outcome == gone.String(), outcome == failed.String():
		return one, "the run did not delete it: " + outcome
	case outcome == "" && !s.CutOff:
		return one, "the run did not delete it"
	}
	return one, ""
}

// batch restores up to ten media.
func (s *Restore) batch(ctx context.Context, batch []lost, done *Restoration) error {
	if len(batch) == 0 {
		return nil
	}
	there, err := s.there(ctx, batch)
	if err != nil {
		return err
	}
	var missing []lost
	for _, one := range batch {
		if id := there[one.object]; id != "" {
			done.Skipped = append(done.Skipped, Skipped{one.id, one.object.String(), "its object has a medium: " + id})
			continue
		}
		switch exists, err := s.Sources.Exists(ctx, one.object); {
		case err != nil:
			done.Failed = append(done.Failed, Skipped{one.id, one.object.String(), err.Error()})
		case !exists:
			done.Skipped = append(done.Skipped, Skipped{one.id, one.object.String(), "its object is gone"})
		default:
			missing = append(missing, one)
		}
	}
	held := markRecord{At: s.Now().UTC()}
	for _, one := range missing {
		held.Restored = append(held.Restored, one.object.String())
	}
	if err := held.write(ctx, s.Store); err != nil {
		return fmt.Errorf("mark what is restored: %w", err)
	}
	for _, one := range missing {
		id, err := s.add(ctx, one)
		if err != nil {
			done.Failed = append(done.Failed, Skipped{one.id, one.object.String(), err.Error()})
			var failed *mps.Error
			if isContext(err) || errors.As(err, &failed) && failed.Kind == mps.Denied {
				return err
			}
			continue
		}
		done.Restored = append(done.Restored, Restored{one.id, id, one.object.String()})
	}
	return nil
}

// add adds a medium. An answer that was lost is looked for before it is tried again.
func (s *Restore) add(ctx context.Context, one lost) (id string, err error) {
	for range mps.MaxTries {
		id, err = s.Library.Add(ctx, one.object.URL(s.Region, media.SlashPlain), one.texts)
		var failed *mps.Error
		if err == nil && id != "" || !errors.As(err, &failed) || failed.Kind == mps.Refused || failed.Kind == mps.Denied {
			return id, err
		}
		there, readErr := s.there(ctx, []lost{one})
		if readErr != nil {
			return "", errors.Join(err, readErr)
		}
		if there[one.object] != "" {
			return there[one.object], nil
		}
	}
	return "", err
}

// there returns the IDs of live media by their objects. A library may show a
// deleted medium as Initiated: one that this program deleted is not live.
func (s *Restore) there(ctx context.Context, batch []lost) (map[media.Object]string, error) {
	ids := map[media.Object]string{}
	marks := s.Marks.Of(s.Now())
	for _, slash := range []media.Slash{media.SlashPlain, media.SlashEscaped} {
		var objects []media.Object
		for _, one := range batch {
			if ids[one.object] == "" && (slash == media.SlashPlain || strings.Contains(one.object.Key, "/")) {
				objects = append(objects, one.object)
			}
		}
		for few, err := range inventory.OfObjects(objects, s.Region, slash) {
			if err != nil {
				return nil, err
			}
			looked, err := inventory.LookUp(ctx, s.Library, few, s.Region)
			if err != nil {
				return nil, err
			}
			for _, m := range looked.Media {
				if m.State != media.StateDeleted && marks(&m) != retention.Deleted {
					ids[m.Object] = m.ID
				}
			}
		}
	}
	return ids, nil
}
