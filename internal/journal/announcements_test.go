package journal

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

const (
	announcedRegion = "cn-shanghai"
	announcedDay    = 24 * time.Hour
)

var announcedNow = time.Date(2026, 6, 30, 2, 0, 0, 0, time.UTC)

func openAnnounced(t *testing.T, store *statetest.Memory, now time.Time, whole bool) *Announcements {
	t.Helper()
	a, err := openAnnouncements(t.Context(), store, announcedRegion, now, whole)
	no(t, err)
	t.Cleanup(a.Close)
	return a
}

// restOf returns what is left of announcements, by media. Of several of a medium the first counts.
func restOf(t *testing.T, a *Announcements) map[string]Announcement {
	t.Helper()
	found, last := map[string]Announcement{}, ""
	for one, err := range a.Rest(t.Context()) {
		no(t, err)
		if one.MediaID < last {
			t.Errorf("%s comes after %s", one.MediaID, last)
		}
		last = one.MediaID
		if _, ok := found[last]; !ok {
			found[last] = one
		}
	}
	return found
}

// announceAll writes a generation.
func announceAll(t *testing.T, a *Announcements, now time.Time, all map[string]Announcement) {
	t.Helper()
	next := a.Next()
	for _, err := range a.Rest(t.Context()) { // as a sweep does
		no(t, err)
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		no(t, next.Add(t.Context(), all[id]))
	}
	no(t, next.Commit(t.Context(), now))
}

// Over many sweeps a generation has what the latest sweep wrote, and shares most segments with the one before.
func TestGenerationsOfAnnouncements(t *testing.T) {
	store, random := statetest.New(), rand.New(rand.NewPCG(1, 2))
	all := map[string]Announcement{}
	for night := range 5 {
		now := announcedNow.Add(time.Duration(night) * announcedDay)
		a := openAnnounced(t, store, now, true)
		if got := restOf(t, openAnnounced(t, store, now, true)); !maps.Equal(got, all) {
			t.Fatalf("night %d: %d announcements, want %d", night, len(got), len(all))
		}
		changes := 20_000
		if night > 0 {
			changes = 5
		}
		for range changes {
			id := fmt.Sprintf("%032x", random.Uint64())
			all[id] = Announcement{MediaID: id, Digest: random.Uint64(), At: now.Unix(), Lead: random.IntN(10) == 0, Orphan: random.IntN(2) == 0}
		}
		for id := range all {
			if random.IntN(20_000) == 0 {
				delete(all, id)
			}
		}
		before := len(store.Created)
		announceAll(t, a, now, all)
		if written := len(store.Created) - before; night > 0 && written > 10 {
			t.Errorf("night %d: %d records written", night, written)
		}
	}
	few := openAnnounced(t, store, announcedNow, false)
	clear(store.Reads)
	id := slices.Sorted(maps.Keys(all))[len(all)/2]
	found := false
	for one, err := range few.Until(t.Context(), id) {
		no(t, err)
		found = found || one == all[id]
	}
	if !found || len(store.Reads) > 2 {
		t.Errorf("found: %v, with %d reads", found, len(store.Reads))
	}
}

// What is lost or damaged is announced again, and is never another announcement.
func TestDamagedAnnouncements(t *testing.T) {
	write := func(t *testing.T) (*statetest.Memory, map[string]Announcement) {
		store, all := statetest.New(), map[string]Announcement{}
		for i := range 12_000 {
			id := fmt.Sprintf("m%05d", i)
			all[id] = Announcement{MediaID: id, Digest: uint64(i), At: announcedNow.Unix(), Lead: i%100 == 0}
		}
		announceAll(t, openAnnounced(t, store, announcedNow, true), announcedNow, all)
		return store, all
	}
	cut := func(data []byte) []byte { return data[:len(data)/2] }
	damages := map[string]func(data []byte) []byte{
		"cut":      cut,
		"empty":    func([]byte) []byte { return nil },
		"JSON":     func([]byte) []byte { return []byte("{}") },
		"null":     func([]byte) []byte { return []byte("null") },
		"flipped":  func(data []byte) []byte { data = slices.Clone(data); data[len(data)/2] ^= 1; return data },
		"nonsense": func([]byte) []byte { return []byte(strings.Repeat("\x1f\x8b x", 1000)) },
	}
	for name, damage := range damages {
		for _, folder := range []string{generationFolder, announcedFolder} {
			t.Run(name+" "+folder, func(t *testing.T) {
				store, all := write(t)
				record := store.Names(folder)[0]
				store.Put(record, damage(store.Records[record]))
				a := openAnnounced(t, store, announcedNow, true)
				got := restOf(t, a)
				for id, one := range got {
					if all[id] != one {
						t.Fatalf("%+v was not announced", one)
					}
				}
				if len(got) == len(all) || len(a.Problems()) != 1 || !strings.Contains(a.Problems()[0], "announced/") {
					t.Errorf("%d of %d, %q", len(got), len(all), a.Problems())
				}
				if folder == announcedFolder && len(got) == 0 {
					t.Error("one segment takes all with it")
				}
				announceAll(t, openAnnounced(t, store, announcedNow, true), announcedNow.Add(time.Hour), map[string]Announcement{"x": {MediaID: "x", At: 1}})
				if got := restOf(t, openAnnounced(t, store, announcedNow, true)); len(got) != 1 {
					t.Errorf("the next generation has %d announcements", len(got))
				}
			})
		}
	}
	t.Run("swapped segments", func(t *testing.T) {
		store, _ := write(t)
		names := store.Names(announcedFolder)
		store.Records[names[0]], store.Records[names[1]] = store.Records[names[1]], store.Records[names[0]]
		if a := openAnnounced(t, store, announcedNow, true); len(restOf(t, a)) == 12_000 || len(a.Problems()) < 2 {
			t.Errorf("%q", a.Problems())
		}
	})
	t.Run("earlier times under the name of a segment", func(t *testing.T) {
		store, all := write(t)
		for _, name := range store.Names(announcedFolder) {
			zip, err := gzip.NewReader(bytes.NewReader(store.Records[name]))
			no(t, err)
			lines, err := io.ReadAll(zip)
			no(t, err)
			at := func(at time.Time) []byte { return fmt.Appendf(nil, " %d ", at.Unix()) }
			forged := bytes.ReplaceAll(lines, at(announcedNow), at(announcedNow.Add(-30*announcedDay)))
			var data bytes.Buffer
			writer := gzip.NewWriter(&data)
			_, err = writer.Write(forged)
			no(t, errors.Join(err, writer.Close()))
			store.Put(name, data.Bytes())
		}
		a := openAnnounced(t, store, announcedNow, true)
		if got := restOf(t, a); len(got) > 0 || len(a.Problems()) == 0 {
			t.Errorf("%d of %d, %q", len(got), len(all), a.Problems())
		}
	})
	t.Run("another region", func(t *testing.T) {
		store, _ := write(t)
		a, err := openAnnouncements(t.Context(), store, "cn-beijing", announcedNow, true)
		no(t, err)
		if got := restOf(t, a); len(got) > 0 {
			t.Errorf("%d announcements", len(got))
		}
	})
	t.Run("a foreign name", func(t *testing.T) {
		store, all := write(t)
		for _, name := range []string{"0.json", "00000000000000000000", "0000000000000000000x.json", "-0000000000000000001.json", "99999999999999999999.json"} {
			store.Put(generationFolder+name, []byte("{}"))
		}
		if got := restOf(t, openAnnounced(t, store, announcedNow, true)); len(got) != len(all) {
			t.Errorf("%d of %d", len(got), len(all))
		}
	})
}

// A store that is down is an error: announcing everything again would postpone all deletions.
func TestAnnouncementsOfAStoreThatIsDown(t *testing.T) {
	for _, down := range []struct{ operation, of string }{{"list", "generations"}, {"read", "generations"}, {"read", "segments"}, {"list", "events"}} {
		store := statetest.New()
		one := map[string]Announcement{"a": {MediaID: "a", At: announcedNow.Unix()}}
		announceAll(t, openAnnounced(t, store, announcedNow, true), announcedNow, one)
		store.Down, store.Of = down.operation, down.of
		a, err := openAnnouncements(t.Context(), store, announcedRegion, announcedNow, true)
		if err == nil {
			err = a.readEvents(t.Context(), announcedNow)
			for _, restErr := range a.Rest(t.Context()) {
				err = errors.Join(err, restErr)
			}
		}
		if down.operation == "list" && down.of == "generations" && err == nil {
			continue // the listing ends at its first record
		}
		if !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s %s: %v", down.operation, down.of, err)
		}
	}
}

// Two runs that write the next generation at once do not hide each other's: the second fails.
func TestTwoGenerationsAtOnce(t *testing.T) {
	store := statetest.New()
	one, other := openAnnounced(t, store, announcedNow, true).Next(), openAnnounced(t, store, announcedNow, true).Next()
	no(t, one.Add(t.Context(), Announcement{MediaID: "a"}))
	no(t, one.Commit(t.Context(), announcedNow))
	no(t, other.Add(t.Context(), Announcement{MediaID: "b"}))
	if err := other.Commit(t.Context(), announcedNow); err == nil {
		t.Error("a generation was lost")
	}
}

// Announcements of events are leads of the next sweep. Those that the latest sweep may have seen count from now on.
func TestAnnouncementsOfEvents(t *testing.T) {
	store := statetest.New()
	at := announcedNow.Add(-10 * announcedDay)
	early := Announcement{MediaID: "early", Digest: 1, Lead: true}
	late := Announcement{MediaID: "la-te", Digest: 2, Lead: true, Orphan: true}
	no(t, Announce(t.Context(), store, at, []Announcement{early}))
	announceAll(t, openAnnounced(t, store, at, true), at.Add(time.Minute), map[string]Announcement{"kept": {MediaID: "kept", At: 5, Lead: true}})
	no(t, Announce(t.Context(), store, at.Add(2*time.Minute), []Announcement{late}))
	for _, name := range []string{"x", "2026-x-y-z", "20260701T000000.000000000Z-i-00-a", "20260701T000000.000000000Z-x-0000000000000000-a", "20260701T000000.000000000Z-i-0000000000000000-a b"} {
		store.Put(eventFolder+name, nil)
	}
	a := openAnnounced(t, store, announcedNow, true)
	no(t, a.readEvents(t.Context(), announcedNow.Add(-7*announcedDay)))
	leads := map[string]bool{}
	for one, err := range a.Leads(t.Context()) {
		no(t, err)
		leads[one.MediaID] = one.Orphan
	}
	if want := map[string]bool{"early": false, "la-te": true, "kept": false}; !maps.Equal(leads, want) {
		t.Errorf("leads %v, want %v", leads, want)
	}
	early.At, late.At = announcedNow.Unix(), at.Add(2*time.Minute).Unix()
	want := map[string]Announcement{"early": early, "la-te": late, "kept": {MediaID: "kept", At: 5, Lead: true}}
	if got := restOf(t, a); !maps.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(a.Problems()) != 4 {
		t.Errorf("%q", a.Problems())
	}
}

// What is taken back counts no more, wherever it was announced. What is announced afterwards does. A time ahead
// delays for an hour at most.
func TestTakenBackAnnouncements(t *testing.T) {
	at := announcedNow.Add(-10 * announcedDay)
	for name, test := range map[string]struct {
		kept  time.Time
		again time.Time
		since time.Time
	}{
		"before the announcement": {kept: at.Add(-time.Minute), since: at},
		"after it":                {kept: at.Add(announcedDay)},
		"and announced again":     {kept: at.Add(announcedDay), again: at.Add(2 * announcedDay), since: at.Add(2 * announcedDay)},
		"a forged time":           {kept: announcedNow.Add(9000 * announcedDay), again: at.Add(2 * announcedDay), since: at.Add(2 * announcedDay)},
	} {
		t.Run(name, func(t *testing.T) {
			store := statetest.New()
			one := Announcement{MediaID: "m", Digest: 1, At: at.Unix()}
			announceAll(t, openAnnounced(t, store, at, true), at, map[string]Announcement{"m": one})
			no(t, TakeBack(t.Context(), store, test.kept, []string{"m"}))
			store.Written[store.Created[len(store.Created)-1]] = at.Add(announcedDay)
			if !test.again.IsZero() {
				no(t, Announce(t.Context(), store, test.again, []Announcement{one}))
			}
			a, err := ReadAnnouncements(t.Context(), store, announcedRegion, nil, announcedNow, announcedNow.Add(-7*announcedDay), true)
			no(t, err)
			defer a.Close()
			since := int64(0)
			for got, err := range a.Rest(t.Context()) {
				no(t, err)
				since = got.At
			}
			if want := test.since.Unix(); since != want && (since != 0 || !test.since.IsZero()) {
				t.Errorf("announced at %d, want %d", since, want)
			}
		})
	}
}

// FuzzAnnouncement holds that a line is read back as it was written, and no other.
func FuzzAnnouncement(f *testing.F) {
	f.Add("a 0000000000000001 5 -\n")
	f.Add("a 0000000000000001 -5 o\n")
	f.Fuzz(func(t *testing.T, line string) {
		if one, err := parseAnnouncement(line); err == nil && string(one.appendTo(nil)) != line {
			t.Errorf("%q is read as %q", line, one.appendTo(nil))
		}
		if one, _, err := parseEventName(eventFolder + line); err == nil && one.Lead == false {
			t.Errorf("%q is no lead", line)
		}
	})
}

// BenchmarkAnnouncements is the work of a night on a million announced media of which ten changed.
func BenchmarkAnnouncements(b *testing.B) {
	store, all := statetest.New(), make([]Announcement, 1_000_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range all {
		all[i] = Announcement{MediaID: fmt.Sprintf("%016x%016x", i*18_446_744_073_709, random.Uint64()), Digest: random.Uint64(), At: announcedNow.Unix()}
	}
	night := func() {
		a, err := openAnnouncements(context.Background(), store, announcedRegion, announcedNow, true)
		if err != nil {
			b.Fatal(err)
		}
		next := a.Next()
		for i := range all {
			for _, err := range a.Until(context.Background(), all[i].MediaID) {
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := next.Add(context.Background(), all[i]); err != nil {
				b.Fatal(err)
			}
		}
		if err := next.Commit(context.Background(), announcedNow); err != nil {
			b.Fatal(err)
		}
	}
	night()
	b.ReportAllocs()
	for b.Loop() {
		for range 10 {
			all[random.IntN(len(all))].Digest++
		}
		night()
	}
	size := 0
	for _, data := range store.Records {
		size += len(data)
	}
	b.ReportMetric(float64(size)/1e6, "MB-in-all")
	b.ReportMetric(float64(len(store.Created))/float64(b.N+1), "writes/op")
}
