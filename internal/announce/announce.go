// Package announce keeps the policy's notice: since when media have been announced for deletion.
//
// A sweep of the inventory writes a generation: all media that it found expired, and the media that it did not see but
// may have. An event or a request writes a record for each medium that it announces. It writes another one for each
// announced medium that it finds not expired, which takes the announcement back. Sweeps look at the media of events
// and requests by their IDs: these are leads.
//
// Open reads the latest generation, the records since, and the holds that ended since. Reader.Of answers for a
// medium. Reader.Update collects what a run announces, and writes it. Sweeps do so even if the policy has no notice: it may
// get one back.
//
// A damaged or lost record announces its media again: it never lets one go. Without the latest generation all media of
// the inventory are announced again, without a segment some thousand. A lost record of an event may cost its lead. Only
// a lost record that takes back could let a medium go early: the next sweep that finds the medium not expired makes
// up for it.
package announce

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/holds"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Entry says since when a medium has been announced.
type Entry struct {
	MediaID string
	Digest  uint64 // of the medium's record; see plan.LineDigest
	At      int64  // in seconds since 1970
	// Lead is true if an event or a request led to the medium. Orphan is true if it expired because its source object
	// was removed.
	Lead, Orphan bool
}

// LeadOnly returns an entry that leads to its medium and no longer announces it: no record has its digest.
func (e Entry) LeadOnly() Entry {
	e.Digest = 0
	return e
}

// Query says for which run announcements are read.
type Query struct {
	Policy *policy.Policy
	Region string // media IDs are valid in one region
	Placed []retention.Hold
	AsOf   time.Time // of the run's decisions
	Now    time.Time
	// Sweep is true for a sweep of the inventory: it sees all media of it.
	Sweep bool
}

// Reader reads the announcements of earlier runs. The zero value has none, and all media are due by it: it stands for a
// run under a policy without a notice that is no sweep. A Reader is not safe for concurrent use.
type Reader struct {
	Query
	// Began is when the notice of due media began at the latest. See HasPassed for media that were announced before.
	Began time.Time
	// Held are the holds that ended lately. They kept their media: announcements from before count no more.
	Held     holds.Ended
	store    state.Store
	latest   generation
	events   extsort.Sorter   // of the lines of events and requests since the latest generation, by media
	keptAt   map[string]int64 // when a run last found a medium not expired
	position *cursor          // of Until
	problems []string
}

// LeadTime is the time after its notice for which an announcement counts that no sweep takes up.
const LeadTime = 31 * 24 * time.Hour

// sweepTime bounds the time from the start of a sweep to its generation, by differing clocks. The sweep does not see
// what is written meanwhile.
const sweepTime = 25 * time.Hour

// Open reads the announcements of earlier runs. If the policy has no notice, only sweeps read them. Such a sweep makes two
// calls side by side, and more only if it finds an announcement. Open fails if the store does: to announce all media
// again would postpone their deletion.
func Open(ctx context.Context, store state.Store, q Query) (*Reader, error) {
	hasNotice := !q.Policy.Notice.IsZero()
	if !hasNotice && !q.Sweep {
		return &Reader{}, nil
	}
	r := &Reader{Query: q, Began: q.Policy.Notice.Began(q.AsOf, q.Policy.Timezone), store: store, keptAt: map[string]int64{}}
	from := r.Began.Add(-LeadTime)
	hasEvents := hasNotice
	looked := task.Go(func() (err error) {
		if !hasNotice {
			hasEvents, err = hasEventsSince(ctx, store, from)
		}
		return err
	})
	written, err := r.readLatest(ctx, from)
	if err = cmp.Or(looked(), err); err != nil {
		return nil, err
	}
	if !hasEvents && r.IsEmpty() {
		return r, nil
	}
	if r.latest.At.Before(from) { // what was taken back since is not read
		r.latest.Segments, r.latest.Leads = nil, nil
	} else if since := r.latest.At.Add(-sweepTime); since.After(from) && since.Before(q.Now) {
		from = since
	}
	if err = r.readEvents(ctx, from, written); err == nil {
		r.Held, err = holds.EndedSince(ctx, store, q.Placed, q.Now, from)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// IsEmpty reports whether there is no announcement, and none was lost.
func (r *Reader) IsEmpty() bool {
	return len(r.latest.Segments)+len(r.latest.Leads)+r.events.Len()+len(r.problems) == 0
}

// Close frees the memory and the temporary files.
func (r *Reader) Close() {
	if r.position != nil {
		r.position.stop()
	}
	r.events.Close()
}

// Problems returns what could not be read.
func (r *Reader) Problems() []string { return r.problems }

func (r *Reader) lost(record string, err error) {
	r.problems = append(r.problems, fmt.Sprintf("record %s: its media are announced again: %s", record, text.Bound(err.Error())))
}
