package index

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Folder holds the records of the index.
const Folder = "index/"

const manifestSuffix = "/generation.json"

// format is the version of manifest and segment. Other versions are ignored.
const format = 4

const (
	// maxTried is the number of manifests that Open reads until one is usable.
	maxTried = 8
	// maxManifest bounds a manifest, in bytes: ten million entries take half a megabyte.
	maxManifest = 8 << 20
)

// manifest lists the segments of a generation in the order of their names.
type manifest struct {
	Format   int       `json:"format"`
	Policy   string    `json:"policy"`
	Region   string    `json:"region"` // each has a media library of its own; empty in generations of earlier versions
	AsOf     time.Time `json:"asOf"`
	Segments []segment `json:"segments"`
}

// segment refers to a record of entries. Its names go from First to the First of the next
// segment. An older generation may have written the record.
type segment struct {
	Record  string `json:"record"`
	First   string `json:"first"`
	Entries int    `json:"entries"`
	Newest  int64  `json:"newest"` // the latest Found

	damaged bool
}

// Generation is the newest index that earlier scans left. It is not safe for concurrent use.
type Generation struct {
	store    state.Store
	log      func(msg string, args ...any)
	policy   string
	region   string
	asOf     time.Time
	since    int64
	segments []segment // without expired ones
	logged   bool

	at      int // the segment that was read last
	entries []Entry
	next    int // the entry behind those that were found last
	scratch scratch
}

// Open finds the newest generation of a policy in a region. Entries of scans at since, before it, or after
// asOf do not count. Without a generation Open returns an empty one.
func Open(ctx context.Context, store state.Store, policy, region string, asOf, since time.Time, log func(msg string, args ...any)) *Generation {
	g := &Generation{store: store, log: log, policy: policy, region: region, asOf: asOf, since: since.Unix(), at: -1}
	var names []string
	for record, err := range store.List(ctx, Folder, Folder+state.Stamp(since)) {
		if err != nil {
			log("cannot list the index: all objects are looked up", "error", text.Bound(err.Error()))
			return g
		}
		if strings.HasSuffix(record.Name, manifestSuffix) {
			names = append(names, record.Name)
		}
	}
	for _, name := range slices.Backward(names[max(0, len(names)-maxTried):]) {
		m, err := readManifest(ctx, store, name)
		switch {
		case ctx.Err() != nil:
			return g
		case err != nil:
			log("cannot read a generation of the index: the one before it is used", "record", name, "error", text.Bound(err.Error()))
		case m.Format == format && m.Policy == policy && (m.Region == region || m.Region == "") && !m.AsOf.After(asOf):
			g.segments = slices.DeleteFunc(m.Segments, func(s segment) bool { return s.Newest <= g.since })
			return g
		}
	}
	return g
}

func readManifest(ctx context.Context, store state.Store, name string) (m manifest, err error) {
	data, err := store.Read(ctx, name)
	if err == nil {
		err = state.Decode(data, maxManifest, &m)
	}
	for i, s := range m.Segments {
		if err == nil && (s.Newest > m.AsOf.Unix() || i > 0 && s.First <= m.Segments[i-1].First) {
			err = fmt.Errorf("segment %d is out of order: first name %s, newest entry %d", i+1, text.Quote(s.First), s.Newest)
		}
	}
	return m, err
}

// Splits returns names, in order, at least segmentEntries entries apart.
func (g *Generation) Splits() (names []string) {
	entries := 0
	for _, s := range g.segments {
		if entries >= segmentEntries {
			names = append(names, s.First)
			entries = 0
		}
		entries += s.Entries
	}
	return names
}

// Find returns the entries of a name. Each segment is read once if names come in order.
func (g *Generation) Find(ctx context.Context, name string) []Entry {
	from := g.next // names mostly come in the order of the entries
	if from >= len(g.entries) || g.entries[from].Name != name || from > 0 && g.entries[from-1].Name == name {
		if !g.isAt(name) {
			i := sort.Search(len(g.segments), func(i int) bool { return g.segments[i].First > name }) - 1
			if i < 0 {
				return nil
			}
			entries := g.read(ctx, i)
			g.at, g.entries = i, entries
		}
		from = sort.Search(len(g.entries), func(i int) bool { return g.entries[i].Name >= name })
	}
	to := from
	for to < len(g.entries) && g.entries[to].Name == name && g.entries[to].Found > g.since {
		to++
	}
	g.next = to
	return g.entries[from:to]
}

// isAt reports whether a name belongs to the segment that was read last.
func (g *Generation) isAt(name string) bool {
	return g.at >= 0 && g.segments[g.at].First <= name && (g.at+1 == len(g.segments) || name < g.segments[g.at+1].First)
}

// read returns the entries of a segment, which are valid until the next read. It returns none of a damaged one,
// logs the first of these, and reads none of them again.
func (g *Generation) read(ctx context.Context, i int) []Entry {
	g.at, g.entries = -1, nil // the memory of the last read is used again
	s := &g.segments[i]
	if s.damaged {
		return nil
	}
	end := ""
	if i+1 < len(g.segments) {
		end = g.segments[i+1].First
	}
	entries, err := s.read(ctx, g.store, end, &g.scratch)
	if err == nil || ctx.Err() != nil {
		return entries
	}
	s.damaged = true
	if !g.logged {
		g.logged = true
		g.log("cannot read a segment of the index: its objects are looked up; more segments may be damaged", "record", s.Record, "error", text.Bound(err.Error()))
	}
	return nil
}

// read returns the entries of a segment that must lie before a name, if end is not empty.
func (s segment) read(ctx context.Context, store state.Store, end string, scratch *scratch) ([]Entry, error) {
	data, err := store.Read(ctx, s.Record)
	if err != nil {
		return nil, err
	}
	entries, err := scratch.decode(data)
	if err != nil {
		return nil, err
	}
	if n := len(entries); n == 0 || entries[0].Name != s.First || end != "" && entries[n-1].Name >= end {
		return nil, fmt.Errorf("%d entries do not go from %s to before %s", n, text.Quote(s.First), text.Quote(end))
	}
	return entries, nil
}
