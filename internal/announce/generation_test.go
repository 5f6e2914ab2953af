package announce

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Over many sweeps a generation has what the latest sweep wrote, and shares most segments with the one before.
func TestGenerationsOfAnnouncements(t *testing.T) {
	store, random := statetest.New(), rand.New(rand.NewPCG(1, 2))
	all := map[string]Entry{}
	for night := range 5 {
		now := now.Add(time.Duration(night) * day)
		a := open(t, store, now)
		if got := restOf(t, open(t, store, now)); !maps.Equal(got, all) {
			t.Fatalf("night %d: %d announcements, want %d", night, len(got), len(all))
		}
		changes := 20_000
		if night > 0 {
			changes = 5
		}
		for range changes {
			id := fmt.Sprintf("%032x", random.Uint64())
			all[id] = Entry{MediaID: id, Digest: random.Uint64(), At: now.Unix(), Lead: random.IntN(10) == 0, Orphan: random.IntN(2) == 0}
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
	few := open(t, store, now)
	clear(store.Reads)
	id := slices.Sorted(maps.Keys(all))[len(all)/2]
	found := false
	few.SkipTo(id)
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
	write := func(t *testing.T) (*statetest.Memory, map[string]Entry) {
		store, all := statetest.New(), map[string]Entry{}
		for i := range 12_000 {
			id := fmt.Sprintf("m%05d", i)
			all[id] = Entry{MediaID: id, Digest: uint64(i), At: now.Unix(), Lead: i%100 == 0}
		}
		announceAll(t, open(t, store, now), now, all)
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
		for _, folder := range []string{generationFolder, segmentFolder} {
			t.Run(name+" "+folder, func(t *testing.T) {
				store, all := write(t)
				record := store.Names(folder)[0]
				store.Put(record, damage(store.Records[record]))
				a := open(t, store, now)
				got := restOf(t, a)
				for id, one := range got {
					if all[id] != one {
						t.Fatalf("%+v was not announced", one)
					}
				}
				if len(got) == len(all) || len(a.Problems()) != 1 || !strings.Contains(a.Problems()[0], "announced/") {
					t.Errorf("%d of %d, %q", len(got), len(all), a.Problems())
				}
				if folder == segmentFolder && len(got) == 0 {
					t.Error("one segment takes all with it")
				}
				announceAll(t, open(t, store, now), now.Add(time.Hour), map[string]Entry{"x": {MediaID: "x", At: 1}})
				if got := restOf(t, open(t, store, now)); len(got) != 1 {
					t.Errorf("the next generation has %d announcements", len(got))
				}
			})
		}
	}
	t.Run("swapped segments", func(t *testing.T) {
		store, _ := write(t)
		names := store.Names(segmentFolder)
		store.Records[names[0]], store.Records[names[1]] = store.Records[names[1]], store.Records[names[0]]
		if a := open(t, store, now); len(restOf(t, a)) == 12_000 || len(a.Problems()) < 2 {
			t.Errorf("%q", a.Problems())
		}
	})
	t.Run("earlier times under the name of a segment", func(t *testing.T) {
		store, all := write(t)
		for _, name := range store.Names(segmentFolder) {
			zip, err := gzip.NewReader(bytes.NewReader(store.Records[name]))
			no(t, err)
			lines, err := io.ReadAll(zip)
			no(t, err)
			at := func(at time.Time) []byte { return fmt.Appendf(nil, " %d ", at.Unix()) }
			forged := bytes.ReplaceAll(lines, at(now), at(now.Add(-30*day)))
			var data bytes.Buffer
			writer := gzip.NewWriter(&data)
			_, err = writer.Write(forged)
			no(t, errors.Join(err, writer.Close()))
			store.Put(name, data.Bytes())
		}
		a := open(t, store, now)
		if got := restOf(t, a); len(got) > 0 || len(a.Problems()) == 0 {
			t.Errorf("%d of %d, %q", len(got), len(all), a.Problems())
		}
	})
	t.Run("another region", func(t *testing.T) {
		store, _ := write(t)
		a, err := Open(t.Context(), store, Query{weekly(t), "cn-beijing", nil, now, now, false})
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
		if got := restOf(t, open(t, store, now)); len(got) != len(all) {
			t.Errorf("%d of %d", len(got), len(all))
		}
	})
}

// A generation that was removed is missed. The one before it, which has media that a sweep has found not expired since, is not
// used in its place.
func TestARemovedGeneration(t *testing.T) {
	store, one := statetest.New(), func(id string) map[string]Entry { return map[string]Entry{id: {MediaID: id, At: now.Unix()}} }
	announceAll(t, open(t, store, now), now, one("kept"))
	announceAll(t, open(t, store, now), now.Add(day), one("m"))
	delete(store.Records, state.NumberedName(generationFolder, 2))
	a := open(t, store, now.Add(2*day))
	if got := restOf(t, a); len(got) > 0 || len(a.Problems()) != 1 || !strings.Contains(a.Problems()[0], state.NumberedName(generationFolder, 2)) {
		t.Errorf("announced %v, problems %q", got, a.Problems())
	}
	announceAll(t, a, now.Add(2*day), one("again"))
	for _, name := range store.Names(generationFolder) { // nobody misses the second record of one
		if name != state.NumberedName(generationFolder, 3) {
			delete(store.Records, name)
		}
	}
	a = open(t, store, now.Add(2*day))
	if got := restOf(t, a); !maps.Equal(got, one("again")) || len(a.Problems()) > 0 {
		t.Errorf("announced %v, problems %q", got, a.Problems())
	}
}

// Two runs that write the next generation at once do not hide each other's: the second fails.
func TestTwoGenerationsAtOnce(t *testing.T) {
	store := statetest.New()
	one, other := open(t, store, now).Update(), open(t, store, now).Update()
	no(t, one.Keep(t.Context(), Entry{MediaID: "a"}, true))
	no(t, one.Commit(t.Context(), now))
	no(t, other.Keep(t.Context(), Entry{MediaID: "b"}, true))
	if err := other.Commit(t.Context(), now); err == nil {
		t.Error("a generation was lost")
	}
}

// BenchmarkAnnouncements measures one night with a million announced media. Ten of them changed.
func BenchmarkAnnouncements(b *testing.B) {
	store, all := statetest.New(), make([]Entry, 1_000_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range all {
		all[i] = Entry{MediaID: fmt.Sprintf("%016x%016x", i*18_446_744_073_709, random.Uint64()), Digest: random.Uint64(), At: now.Unix()}
	}
	night := func() {
		a := open(b, store, now)
		next := a.Update()
		for i := range all {
			for _, err := range a.Until(context.Background(), all[i].MediaID) {
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := next.Keep(context.Background(), all[i], true); err != nil {
				b.Fatal(err)
			}
		}
		if err := next.Commit(context.Background(), now); err != nil {
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

// A segment ends after some thousand media on average, and has a largest size. Each medium is found from its start on.
func TestSegmentsOfAnnouncements(t *testing.T) {
	ends, long := 0, []string{}
	for i := range 200_000 {
		if id := fmt.Sprintf("m%06d", i); endsSegment(id) {
			ends++
		} else if len(long) <= maxLines {
			long = append(long, id)
		}
	}
	if ends < 5 || ends > 120 {
		t.Errorf("%d of 200,000 media end a segment", ends)
	}
	store := statetest.New()
	next := open(t, store, now).Update()
	for _, id := range long {
		no(t, next.Keep(t.Context(), Entry{MediaID: id, At: 1}, true))
	}
	no(t, next.Commit(t.Context(), now))
	segments := open(t, store, now).latest.Segments
	if len(segments) != 2 || segments[1].First != long[maxLines] {
		t.Fatalf("segments %+v", segments)
	}
	for _, id := range []string{long[0], long[maxLines-1], long[maxLines]} {
		found := false
		r := open(t, store, now)
		r.SkipTo(id)
		for one, err := range r.Until(t.Context(), id) {
			no(t, err)
			found = found || one.MediaID == id
		}
		if !found {
			t.Errorf("%s is not found", id)
		}
	}
}

// A segment whose lines are not those of a run, in their order, is damaged. So is a generation with segments out of order.
func TestLinesOfAnnouncements(t *testing.T) {
	const a, b = "a 0000000000000001 5 -\n", "b 0000000000000002 6 o\n"
	for name, test := range map[string]struct {
		lines, first, end string
		good              bool
	}{
		"in order": {a + b, "a", "c", true}, "the last one": {a + b, "a", "", true},
		"another first": {a + b, "b", "", false}, "twice": {a + a, "a", "", false}, "backwards": {b + a, "b", "", false}, "beyond the end": {a + b, "a", "b", false},
		"a short digest": {"a 1 5 -\n", "a", "", false}, "a sign": {"a 0000000000000001 +5 -\n", "a", "", false}, "another flag": {"a 0000000000000001 5 x\n", "a", "", false},
		"no end of the line": {strings.TrimSuffix(a, "\n"), "a", "", false}, "more": {"a 0000000000000001 5 - \n", "a", "", false},
	} {
		sum := sha256.Sum256([]byte(test.lines))
		s := segment{hex.EncodeToString(sum[:]), test.first}
		if list, err := decodeSegment(statetest.Squeezed(test.lines), s, test.end, false); (err == nil) != test.good {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	ofFirst := func(first string) segment { return segment{strings.Repeat("0", 64), first} }
	for name, test := range map[string]struct {
		segments []segment
		want     string
	}{
		"in order": {[]segment{ofFirst("a"), ofFirst("b")}, ""}, "twice": {[]segment{ofFirst("a"), ofFirst("a")}, "segment 2 is out of order"},
		"backwards": {[]segment{ofFirst("b"), ofFirst("a")}, "segment 2 is out of order"}, "no checksum": {[]segment{ofFirst("a"), {"00", "b"}}, "segment 2 has no checksum"},
	} {
		g := generation{Format: format, Region: region, At: now, Segments: test.segments}
		if err := g.check(region); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// A record that another compressor wrote is no error.
func TestASegmentThatExists(t *testing.T) {
	const line = "a 0000000000000000 1 -\n"
	store := statetest.New()
	entry := map[string]Entry{"a": {MediaID: "a", At: 1}}
	announceAll(t, open(t, store, now), now, entry)
	name := store.Names(segmentFolder)[0]
	other := statetest.New()
	other.Put(name, statetest.Squeezed(line))
	announceAll(t, open(t, other, now), now, entry)
	if rest := restOf(t, open(t, other, now)); rest["a"] != entry["a"] {
		t.Errorf("announced %+v", rest)
	}
}
