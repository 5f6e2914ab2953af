package journal

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// Since returns since when a medium with its record has been announced, or zero. Calls must come in the order of
// media IDs.
func (a *Announcements) Since(ctx context.Context, m *media.Medium) (since time.Time, err error) {
	digest, err := plan.RecordDigest(m.Record)
	if err != nil {
		return time.Time{}, nil // such a record is never announced
	}
	var times []int64
	for one, err := range a.Until(ctx, m.ID) {
		if err != nil {
			return time.Time{}, err
		}
		if one.MediaID == m.ID && one.Digest == digest {
			times = append(times, one.At)
		}
	}
	return a.first(m, times), nil
}

// first returns the first of the times at which a medium was announced, or zero. A time before its last hold ended
// does not count, and none that is ahead.
func (a *Announcements) first(m *media.Medium, times []int64) time.Time {
	held := a.Held.LastOf(m)
	times = slices.DeleteFunc(times, func(at int64) bool { return at <= held || at > a.now.Unix() })
	if len(times) == 0 {
		return time.Time{}
	}
	return time.Unix(slices.Min(times), 0).UTC()
}

// AnnouncedTable answers for media in any order. It has no names: some 40 bytes for each medium.
type AnnouncedTable struct {
	from *Announcements
	at   map[uint64]int64   // by keyOf
	more map[uint64][]int64 // where there are several
}

// Table reads all announcements.
func (a *Announcements) Table(ctx context.Context) (AnnouncedTable, error) {
	t := AnnouncedTable{a, map[uint64]int64{}, map[uint64][]int64{}}
	for one, err := range a.Rest(ctx) {
		if err != nil {
			return t, err
		}
		key := keyOf(one.MediaID, one.Digest)
		if _, several := t.at[key]; several {
			t.more[key] = append(t.more[key], one.At)
		} else {
			t.at[key] = one.At
		}
	}
	return t, nil
}

// keyOf returns a hash of a media ID and of the digest of its record.
func keyOf(id string, digest uint64) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(binary.BigEndian.AppendUint64([]byte(id), digest)) // a hash returns no error
	return hash.Sum64()
}

// Since returns since when a medium with its record has been announced, or zero.
func (t AnnouncedTable) Since(m *media.Medium) time.Time {
	digest, err := plan.RecordDigest(m.Record)
	if err != nil {
		return time.Time{}
	}
	key := keyOf(m.ID, digest)
	at, known := t.at[key]
	if !known {
		return time.Time{}
	}
	return t.from.first(m, append([]int64{at}, t.more[key]...))
}
