package announce

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// HasPassed reports whether the notice of a medium that was announced at a time has ended. Months are not of one length:
// the notice of what was announced later may end earlier.
func (r *Reader) HasPassed(announced time.Time) bool {
	return !r.Policy.NoticeEnds(announced).After(r.AsOf)
}

// IsDue reports whether the notice of a medium with its record has ended. Calls must come in the
// order of media IDs.
func (r *Reader) IsDue(ctx context.Context, m *media.Medium) (bool, error) {
	if r.Policy == nil {
		return true, nil
	}
	of, err := r.Of(ctx, m.ID)
	since := of.Since(m)
	return err == nil && !since.IsZero() && r.HasPassed(since), err
}

// Of returns the announcements of a medium. Calls must come in the order of media IDs.
func (r *Reader) Of(ctx context.Context, id string) (Table, error) {
	r.SkipTo(id)
	return r.tableUntil(ctx, id)
}

// Table answers for media in any order. It takes 16 bytes for each announcement.
type Table struct {
	// HasLead is true if sweeps look at the medium that was asked for because an event or a request announced it.
	HasLead bool

	reader *Reader
	times  []timed
}

// Table reads all announcements.
func (r *Reader) Table(ctx context.Context) (Table, error) { return r.tableUntil(ctx, lastID) }

func (r *Reader) tableUntil(ctx context.Context, id string) (Table, error) {
	t := Table{reader: r}
	for e, err := range r.Until(ctx, id) {
		if err != nil {
			return t, err
		}
		t.times = append(t.times, timed{e.Digest, e.At})
		t.HasLead = t.HasLead || e.Lead && e.MediaID == id
	}
	slices.SortFunc(t.times, compareTimed)
	return t, nil
}

// timed says since when a record is announced. The record names its medium.
type timed struct {
	digest uint64
	at     int64
}

func compareTimed(a, b timed) int {
	return cmp.Or(cmp.Compare(a.digest, b.digest), cmp.Compare(a.at, b.at))
}

// Since returns since when a medium with its record has been announced, or zero. A time before its last hold ended does
// not count, and none that is ahead.
func (t Table) Since(m *media.Medium) time.Time {
	digest, err := plan.RecordDigest(m.Record)
	if err != nil {
		return time.Time{} // such a record is never announced
	}
	i, _ := slices.BinarySearchFunc(t.times, timed{digest, t.reader.Held.LastOf(m) + 1}, compareTimed)
	if i == len(t.times) || t.times[i].digest != digest || t.times[i].at > t.reader.Now.Unix() {
		return time.Time{}
	}
	return time.Unix(t.times[i].at, 0).UTC()
}
