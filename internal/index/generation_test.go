package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/state"
)

// records is a store in memory.
type records map[string][]byte

func (r records) Create(_ context.Context, name string, data []byte) error {
	if _, ok := r[name]; ok {
		return state.ErrExists
	}
	r[name] = bytes.Clone(data)
	return nil
}

func (r records) Read(_ context.Context, name string) ([]byte, error) {
	if data, ok := r[name]; ok {
		return data, nil
	}
	return nil, state.ErrNotFound
}

func (r records) List(_ context.Context, folder, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(r)) {
			if strings.HasPrefix(name, folder) && name > after && !yield(state.Record{Name: name}, nil) {
				return
			}
		}
	}
}

// size returns the bytes of all records.
func (r records) size() (bytes int) {
	for _, data := range r {
		bytes += len(data)
	}
	return bytes
}

// named returns the names that end in a text, in order.
func (r records) named(suffix string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names
}

var (
	day0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	week = 7 * 24 * time.Hour
)

func open(t testing.TB, store state.Store, asOf time.Time) *Generation {
	return Open(t.Context(), store, "p", "cn-shanghai", asOf, asOf.Add(-week), func(msg string, args ...any) { t.Error(msg, args) })
}

// write writes a generation of entries that a scan found beyond the newest one.
func write(t testing.TB, store state.Store, asOf time.Time, entries ...Entry) {
	t.Helper()
	finds := &Finds{}
	defer finds.Close()
	for _, e := range entries {
		finds.Add(e)
	}
	if err := finds.Write(t.Context(), open(t, store, asOf), asOf, "r"); err != nil {
		t.Fatal(err)
	}
}

// named returns n entries whose names have a prefix.
func named(prefix string, n int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{Name: fmt.Sprintf("%s%06d", prefix, i), Modified: 1, Medium: true, Due: Never}
	}
	return entries
}

// find holds the entries that one scan added under one name.
type find struct {
	asOf    time.Time
	policy  string
	entries []Entry
}

// model is a series of scans over one store, beside a map of what they found.
type model struct {
	t       *testing.T
	random  *rand.Rand
	store   records
	written map[string]time.Time
	clock   time.Time
	names   []string
	finds   map[string][]find // by name, the earliest first
	lossy   bool              // records were damaged
	serial  int64
}

// TestModel: Find returns the latest find of the policy that is younger than a week, and nothing
// else; with damaged records it may return an earlier one, or none.
func TestModel(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, random: rand.New(rand.NewPCG(seed, 1)), store: records{}, written: map[string]time.Time{}, clock: day0, finds: map[string][]find{}}
			for i := range 12_000 {
				m.names = append(m.names, fmt.Sprintf("b/%d/%05d", i%3, i))
			}
			slices.Sort(m.names)
			for range 12 {
				m.clock = m.clock.Add(time.Duration(1+m.random.IntN(60)) * time.Hour)
				if seed%2 == 1 && m.random.IntN(4) == 0 {
					m.damage()
				}
				m.scan()
			}
		})
	}
}

// scan looks up what the index does not know of a part of the names, and some that it knows.
func (m *model) scan() {
	policy := []string{"p", "p", "p", "q"}[m.random.IntN(4)]
	log := func(msg string, args ...any) {
		if !m.lossy {
			m.t.Error(msg, args)
		}
	}
	g := Open(m.t.Context(), m.store, policy, "cn-shanghai", m.clock, m.clock.Add(-week), log)
	finds := &Finds{}
	defer finds.Close()
	from, to := 0, len(m.names)
	if m.random.IntN(3) == 0 { // a run that looked at a part
		from = m.random.IntN(to)
		to = min(to, from+m.random.IntN(6000))
	}
	changed := []int{0, 0, 1, 5, 300}[m.random.IntN(5)] // of a thousand
	start := m.random.IntN(len(m.names))                // changes come in a cluster
	var added []string
	entries := map[string][]Entry{}
	for i, name := range m.names[from:to] {
		known := g.Find(m.t.Context(), name)
		m.check(name, policy, known)
		if len(known) > 0 && (changed < 300 && (from+i < start || from+i > start+changed*10) || m.random.IntN(1000) >= changed*2) {
			continue
		}
		for range 1 + m.random.IntN(2) {
			m.serial++
			entries[name] = append(entries[name], Entry{Name: name, Found: m.clock.Unix(), Modified: m.serial, Medium: true, Due: Never})
		}
		added = append(added, name)
	}
	m.random.Shuffle(len(added), func(i, j int) { added[i], added[j] = added[j], added[i] })
	for _, name := range added {
		for _, e := range entries[name] {
			finds.Add(e)
		}
	}
	for _, s := range g.segments {
		if age := m.clock.Sub(m.written[s.Record]); age >= week {
			m.t.Errorf("%s is used after %v", s.Record, age)
		}
	}
	if err := finds.Write(m.t.Context(), g, m.clock, "r"); err != nil {
		m.t.Fatal(err)
	}
	for name := range m.store {
		if _, ok := m.written[name]; !ok {
			m.written[name] = m.clock
		}
	}
	for _, name := range added {
		m.finds[name] = append(m.finds[name], find{m.clock, policy, entries[name]})
	}
}

func (m *model) check(name, policy string, got []Entry) {
	m.t.Helper()
	for _, f := range slices.Backward(m.finds[name]) {
		switch {
		case f.policy != policy || m.clock.Sub(f.asOf) >= week:
		case slices.Equal(got, f.entries):
			return
		case !m.lossy:
			m.t.Fatalf("%s at %v: got %v, want %v", name, m.clock, got, f.entries)
		}
	}
	if len(got) > 0 {
		m.t.Fatalf("%s at %v: got %v, which no scan of the policy found within a week", name, m.clock, got)
	}
}

// damage cuts, changes or removes a record.
func (m *model) damage() {
	names := slices.Sorted(maps.Keys(m.store))
	if len(names) == 0 {
		return
	}
	m.lossy = true
	name := names[max(0, len(names)-1-m.random.IntN(12))]
	switch data := bytes.Clone(m.store[name]); m.random.IntN(3) {
	case 0:
		delete(m.store, name)
	case 1:
		m.store[name] = data[:m.random.IntN(len(data)+1)]
	default:
		if strings.HasSuffix(name, manifestSuffix) { // JSON has no checksum
			data = bytes.Replace(data, []byte("b/1"), []byte("b/9"), 1)
		} else if len(data) > 20 {
			data[10+m.random.IntN(len(data)-10)] ^= 1 << m.random.IntN(8)
		}
		m.store[name] = data
	}
}

// A quiet day writes nothing. A day with a few finds in one place writes the manifest and the
// segments there.
func TestQuietDay(t *testing.T) {
	store := records{}
	entries := library(100_000)
	write(t, store, day0, entries...)
	all := store.size()
	write(t, store, day0.Add(24*time.Hour))
	if store.size() != all {
		t.Errorf("a day without finds wrote %d bytes", store.size()-all)
	}
	before := len(store)
	write(t, store, day0.Add(24*time.Hour), entries[70_100:70_600]...)
	if n, size := len(store)-before, store.size()-all; n > 3 || size > all/8 {
		t.Errorf("500 finds wrote %d records of %d bytes; the index has %d", n, size, all)
	}
}

// Finds that fall into full segments leave no tiny ones.
func TestSegmentsStayLarge(t *testing.T) {
	store := records{}
	write(t, store, day0, named("b/", 20*segmentEntries)...)
	random := rand.New(rand.NewPCG(1, 2))
	asOf := day0
	for range 100 {
		asOf = asOf.Add(time.Hour)
		write(t, store, asOf, Entry{Name: fmt.Sprintf("b/%06d/new", random.IntN(20*segmentEntries)), Due: Never})
	}
	g := open(t, store, asOf)
	for i, s := range g.segments {
		if s.Entries < segmentEntries/2 || s.Entries > 2*segmentEntries {
			t.Errorf("segment %d of %d has %d entries", i+1, len(g.segments), s.Entries)
		}
	}
	if n := len(g.Splits()); n < 12 || n >= 20 {
		t.Errorf("%d splits", n)
	}
}

// All entries of a name are found together, and the generation ends nowhere between them.
func TestNamesWithManyEntries(t *testing.T) {
	store := records{}
	var entries []Entry
	for _, e := range named("b/a/", 2*segmentEntries) {
		entries = append(entries, e, e, e)
	}
	write(t, store, day0, entries...)
	g := open(t, store, day0)
	if len(g.segments) < 6 {
		t.Errorf("%d segments", len(g.segments))
	}
	for name, want := range map[string]int{"a": 0, "b/a/000000": 3, "b/a/0000000": 0, "b/a/009999": 3, "c": 0} {
		if found := g.Find(t.Context(), name); len(found) != want {
			t.Errorf("%s: %d entries, want %d", name, len(found), want)
		}
	}
	for i := 0; i < len(entries); i += 3 {
		if found := g.Find(t.Context(), entries[i].Name); len(found) != 3 {
			t.Fatalf("%s: %d entries", entries[i].Name, len(found))
		}
	}
}

// Runs that look at different names leave one index, in few segments.
func TestDisjointRuns(t *testing.T) {
	store := records{}
	const runs, each = 60, 1000
	for i := range runs {
		write(t, store, day0.Add(time.Duration(i)*time.Minute), named(fmt.Sprintf("b/%03d/", i*7%runs), each)...)
	}
	g := open(t, store, day0.Add(time.Hour))
	if n := len(g.segments); n < runs*each/segmentEntries || n > 3*runs*each/segmentEntries {
		t.Errorf("%d segments", n)
	}
	for i := range runs {
		for _, e := range named(fmt.Sprintf("b/%03d/", i), each) {
			if len(g.Find(t.Context(), e.Name)) != 1 {
				t.Fatalf("%s is lost", e.Name)
			}
		}
	}
}

// A damaged segment costs its own names only, is logged once, and leaves the index.
func TestDamagedSegment(t *testing.T) {
	tests := map[string]func(store records, name string){
		"lost":  func(store records, name string) { delete(store, name) },
		"empty": func(store records, name string) { store[name] = nil },
		"cut":   func(store records, name string) { store[name] = store[name][:100] },
		"other": func(store records, name string) { store[name] = store[store.named("000001.gz")[0]] },
	}
	for how, damage := range tests {
		t.Run(how, func(t *testing.T) {
			store := records{}
			entries := named("b/", 10*segmentEntries)
			write(t, store, day0, entries...)
			for _, number := range []string{"000003.gz", "000004.gz", "000007.gz"} {
				damage(store, store.named(number)[0])
			}
			logged := 0
			asOf := day0.Add(time.Hour)
			g := Open(t.Context(), store, "p", "cn-shanghai", asOf, asOf.Add(-week), func(string, ...any) { logged++ })
			finds := &Finds{}
			defer finds.Close()
			for _, e := range entries {
				if len(g.Find(t.Context(), e.Name)) == 0 {
					finds.Add(e)
				}
			}
			if got := finds.sorter.Len(); logged != 1 || got != 3*segmentEntries {
				t.Errorf("%d names are not known, logged %d times", got, logged)
			}
			elsewhere := &Finds{} // its own names could not be looked up
			defer elsewhere.Close()
			elsewhere.Add(entries[0])
			if err := errors.Join(elsewhere.Write(t.Context(), g, asOf, "r"), finds.Write(t.Context(), g, asOf.Add(time.Second), "r")); err != nil || logged != 1 {
				t.Fatalf("%v, logged %d times", err, logged)
			}
			if n := strings.Count(string(store[store.named(manifestSuffix)[1]]), "gz"); n != 7 {
				t.Errorf("%d segments, want those that are whole", n)
			}
			g = open(t, store, asOf)
			for _, e := range entries {
				if len(g.Find(t.Context(), e.Name)) != 1 {
					t.Fatalf("%s is not known", e.Name)
				}
			}
		})
	}
}

// A merge reads segments beside Find, into the same memory.
func TestFindAfterAMerge(t *testing.T) {
	store := records{}
	entries := named("a/", 3*segmentEntries)
	write(t, store, day0, entries...)
	g := open(t, store, day0.Add(time.Hour))
	finds := &Finds{}
	defer finds.Close()
	finds.Add(entries[len(entries)-1])
	for _, name := range []string{entries[0].Name, entries[1].Name} {
		if got := g.Find(t.Context(), name); len(got) != 1 || got[0].Name != name {
			t.Errorf("%s: found %+v", name, got)
		}
		if err := finds.Write(t.Context(), g, day0.Add(time.Hour), name[2:]); err != nil {
			t.Fatal(err)
		}
	}
}

// A segment whose names reach into the next one is damaged.
func TestSegmentsThatOverlap(t *testing.T) {
	store := records{}
	entries := named("b/", 3*segmentEntries)
	write(t, store, day0, entries...)
	logged := 0
	g := Open(t.Context(), store, "p", "cn-shanghai", day0, day0.Add(-week), func(string, ...any) { logged++ })
	g.segments[1].First = entries[segmentEntries/2].Name
	known := 0
	for _, e := range entries {
		known += len(g.Find(t.Context(), e.Name))
	}
	if known != segmentEntries || logged != 1 {
		t.Errorf("%d names are known, logged %d times", known, logged)
	}
}

// An index that an earlier version wrote is used: a large library must not be looked up again for an upgrade.
func TestGenerationWithoutARegion(t *testing.T) {
	store := records{}
	write(t, store, day0, named("b/", 20)...)
	name := store.named(manifestSuffix)[0]
	store[name] = bytes.Replace(store[name], []byte(`,"region":"cn-shanghai"`), nil, 1)
	g := Open(t.Context(), store, "p", "cn-beijing", day0.Add(time.Hour), day0.Add(-week), t.Logf)
	if len(g.segments) != 1 {
		t.Errorf("%d segments", len(g.segments))
	}
}

// Open takes the newest generation that it can use.
func TestUnusableGenerations(t *testing.T) {
	tests := map[string]struct {
		change func(m *manifest)
		logged int
	}{
		"damaged":             {nil, 1},
		"of another format":   {func(m *manifest) { m.Format++ }, 0},
		"of another policy":   {func(m *manifest) { m.Policy = "q" }, 0},
		"of another region":   {func(m *manifest) { m.Region = "cn-beijing" }, 0},
		"of the future":       {func(m *manifest) { m.AsOf = day0.Add(24 * time.Hour) }, 0},
		"out of order":        {func(m *manifest) { slices.Reverse(m.Segments) }, 1},
		"newer than its scan": {func(m *manifest) { m.Segments[0].Newest++ }, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			store := records{}
			write(t, store, day0, named("b/", 20)...)
			write(t, store, day0.Add(time.Hour), named("c/", 3*segmentEntries)...)
			newest := store.named(manifestSuffix)[1]
			m := manifest{}
			if err := json.Unmarshal(store[newest], &m); err != nil {
				t.Fatal(err)
			}
			store[newest] = []byte("{")
			if test.change != nil {
				test.change(&m)
				var err error
				if store[newest], err = json.Marshal(m); err != nil {
					t.Fatal(err)
				}
			}
			logged := 0
			asOf := day0.Add(2 * time.Hour)
			g := Open(t.Context(), store, "p", "cn-shanghai", asOf, asOf.Add(-week), func(string, ...any) { logged++ })
			if len(g.Find(t.Context(), "b/000000")) != 1 || len(g.Find(t.Context(), "c/000000")) != 0 || logged != test.logged {
				t.Errorf("%d segments, logged %d times", len(g.segments), logged)
			}
		})
	}
}

// Without room for the finds Write returns the error, and the old generation stays.
func TestNoRoom(t *testing.T) {
	store := records{}
	write(t, store, day0, named("b/", 10)...)
	before := len(store)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	finds := &Finds{}
	defer finds.Close()
	for _, e := range named("b/a name of some length/", 100_000) { // more than a Sorter keeps in memory
		finds.Add(e)
	}
	if err := finds.Write(t.Context(), open(t, store, day0), day0.Add(time.Hour), "r"); err == nil || len(store) != before {
		t.Errorf("%v, %d records", err, len(store))
	}
}

// stopping is a store that is stopped while it reads.
type stopping struct {
	records
	stop context.CancelFunc
}

func (s stopping) Read(ctx context.Context, _ string) ([]byte, error) {
	s.stop()
	return nil, ctx.Err()
}

// A merge that is stopped writes no generation: it would lack entries.
func TestStoppedWrite(t *testing.T) {
	store := records{}
	write(t, store, day0, named("b/", 10)...)
	finds := &Finds{}
	defer finds.Close()
	finds.Add(Entry{Name: "b/000003"})
	g := open(t, store, day0)
	ctx, cancel := context.WithCancel(t.Context())
	g.store = stopping{store, cancel}
	if err := finds.Write(ctx, g, day0.Add(time.Hour), "r"); err == nil || len(store.named(manifestSuffix)) != 1 {
		t.Errorf("%v, %d generations", err, len(store.named(manifestSuffix)))
	}
}

// Expired entries leave the index when their segment is written again.
func TestExpiredEntriesLeave(t *testing.T) {
	store := records{}
	entries := named("b/", 3000)
	write(t, store, day0, entries...)
	write(t, store, day0.Add(week/2), entries[1000:1010]...)
	write(t, store, day0.Add(week), entries[2000])
	if g := open(t, store, day0.Add(week)); len(g.segments) != 1 || g.segments[0].Entries != 11 {
		t.Errorf("%+v", g.segments)
	}
}

// FuzzGeneration reads any manifest with any segment, and writes the next generation: Find
// returns entries of its name only, and all that was added.
func FuzzGeneration(f *testing.F) {
	store := records{}
	write(f, store, day0, named("b/", 3)...)
	head, name := store.named(manifestSuffix)[0], store.named(".gz")[0]
	f.Add(store[head], store[name])
	f.Add([]byte(`{}`), []byte{})
	fuzztest.Fuzz(f, func(t *testing.T, manifest, segment []byte) {
		store := records{head: manifest, name: segment}
		asOf := day0.Add(time.Hour)
		open := func() *Generation {
			return Open(t.Context(), store, "p", "cn-shanghai", asOf, asOf.Add(-week), func(string, ...any) {})
		}
		finds := &Finds{}
		defer finds.Close()
		for range 2 {
			g := open()
			_ = g.Splits()
			for _, asked := range []string{"a", "b/000001", "c", "a"} {
				for _, e := range g.Find(t.Context(), asked) {
					if e.Name != asked {
						t.Errorf("%s for %s", e.Name, asked)
					}
				}
			}
			finds.Add(Entry{Name: "b/000001", Modified: 7})
			if err := finds.Write(t.Context(), g, asOf, "r"); err != nil {
				t.Fatal(err)
			}
			asOf = asOf.Add(time.Hour)
		}
		if found := open().Find(t.Context(), "b/000001"); len(found) != 2 || found[0].Modified != 7 {
			t.Errorf("%+v", found)
		}
	})
}
