package announce

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Whoever meets media in any order learns the same as whoever meets them in order: since when the record that a
// medium has is announced, after its last hold.
func TestAnnouncedSince(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		hour := func() time.Time { return now.Add(time.Duration(rng.IntN(120)-100) * time.Hour) }
		store := statetest.New()
		var list []media.Medium
		digests := map[string][]uint64{}
		for i := range 8 {
			m := media.Medium{ID: fmt.Sprint("m", i), Object: media.Object{Bucket: "media-in", Key: fmt.Sprint(i)}, Record: fmt.Appendf(nil, `{"MediaId":"m%d"}`, i)}
			digest, err := plan.RecordDigest(m.Record)
			no(t, err)
			list, digests[m.ID] = append(list, m), []uint64{digest, digest, digest, 7}
		}
		announcement := func(m media.Medium, lead bool) Entry {
			return Entry{MediaID: m.ID, Digest: digests[m.ID][rng.IntN(4)], At: hour().Unix(), Lead: lead}
		}
		next := open(t, store, now).Update()
		for _, m := range list {
			if rng.IntN(4) > 0 {
				no(t, next.Keep(t.Context(), announcement(m, false), true))
			}
			if rng.IntN(4) == 0 {
				no(t, next.Keep(t.Context(), announcement(m, true), true))
			}
		}
		no(t, next.Commit(t.Context(), now.Add(-48*time.Hour)))
		for range rng.IntN(8) {
			no(t, add(t.Context(), store, now.Add(-time.Duration(rng.IntN(40))*time.Hour), []Entry{announcement(list[rng.IntN(8)], true)}))
		}
		var placed []retention.Hold
		for i := range rng.IntN(4) {
			placed = append(placed, retention.Hold{ID: fmt.Sprint(i + 1), Target: fmt.Sprintf("m%d", rng.IntN(8)), Until: hour()})
		}
		table, err := open(t, store, now, placed...).Table(t.Context())
		no(t, err)
		inOrder := open(t, store, now, placed...)
		for i := range list {
			m := &list[i]
			want := wantSince(t, open(t, store, now, placed...), m, digests[m.ID][0])
			of, err := inOrder.Of(t.Context(), m.ID)
			no(t, err)
			since := of.Since(m)
			if got := table.Since(m); !since.Equal(want) || !got.Equal(want) {
				t.Fatalf("seed %d, %s: in order since %v, in any order since %v; want %v", seed, m.ID, since, got, want)
			}
		}
	}
}

// wantSince looks at all announcements.
func wantSince(t *testing.T, a *Reader, m *media.Medium, digest uint64) (since time.Time) {
	t.Helper()
	for one, err := range a.Rest(t.Context()) {
		no(t, err)
		at := time.Unix(one.At, 0)
		if one.MediaID == m.ID && one.Digest == digest && one.At > a.Held.LastOf(m) && !at.After(now) && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	return since
}

// No medium goes before its own month of notice has passed: on the last days of January, and in an hour that a clock shows
// twice, a later one may end earlier.
func TestNoticeOfAMonth(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\ntimezone: Europe/Berlin\nnotice: 1mo\ninventory: [{bucket: oss://media-in/}]\nexpire: [{name: all, after: 1d}]\n"))
	no(t, err)
	m := media.Medium{ID: "m", Record: []byte(`{"MediaId":"m"}`)}
	digest, err := plan.RecordDigest(m.Record)
	no(t, err)
	for _, first := range []time.Time{time.Date(2026, time.January, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, time.October, 24, 23, 0, 0, 0, time.UTC)} {
		for i := range 40 {
			at := first.Add(time.Duration(i) * 2 * time.Hour)
			ends := p.NoticeEnds(at)
			for asOf, want := range map[time.Time]bool{ends.Add(-time.Hour): false, ends.Add(-time.Second): false, ends: true, ends.Add(time.Hour): true} {
				store := statetest.New()
				query := Query{Policy: p, AsOf: asOf, Now: asOf, Sweep: true}
				a, err := Open(t.Context(), store, query)
				no(t, err)
				next := a.Update()
				no(t, next.Keep(t.Context(), Entry{MediaID: m.ID, Digest: digest, At: at.Unix()}, true))
				no(t, next.Commit(t.Context(), asOf.Add(-time.Hour)))
				a, err = Open(t.Context(), store, query)
				no(t, err)
				if due, err := a.IsDue(t.Context(), &m); due != want || err != nil {
					t.Errorf("announced %s, as of %s: due %v, %v", at, asOf, due, err)
				}
				a.Close()
			}
		}
	}
}
