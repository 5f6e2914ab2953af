package index

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/spool"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Folder is where the records of the index are.
const Folder = "index/"

const layerSuffix = "/layer.json"

// minCutOff is how many entries are worth a layer of a run that is cut off: every later one
// reads it.
const minCutOff = 1000

// maxLayers is how many layers are read: the newest.
const maxLayers = 64

// compactable is how many layers of about a size become one.
const compactable = 4

// layerFormat is the version of layer and of its segments. A reader passes over others.
const layerFormat = 3

// Index is what earlier runs found out, and what this one does. Each leaves a layer; of
// several the newest that has a name counts. Some of about a size become one, so that
// there are few. Nothing in it can make a run fail: what cannot be read is not known. It
// is not safe for concurrent use, but that Find may be called beside Add.
type Index struct {
	store  state.Store
	log    func(msg string, args ...any)
	policy string
	since  time.Time
	relied func(asOf time.Time) bool
	layers []*layer // the newest first
	last   string   // name that was asked for
	turned bool     // names have started over

	asOf  time.Time
	finds spool.Spool
	off   bool // they cannot be kept
}

// layer is one layer, and how far it has been read.
type layer struct {
	Format int    `json:"format"`
	Policy string `json:"policy"`
	// Looks are when that was found out which the layer has, the latest first.
	Looks    []time.Time `json:"looks"`
	Entries  int         `json:"entries"`
	Segments []part      `json:"segments"`
	Last     string      `json:"last"` // name
	// Replaces are the layers whose entries this one has taken over.
	Replaces []string `json:"replaces,omitempty"`

	name   string
	begun  bool
	broken bool
	next   int // the segment to read next
	pull   func() (Entry, error, bool)
	stop   func()
	ahead  Entry // not asked for yet
	ended  bool
}

// part is a segment, and the first name in it.
type part struct {
	Name  string `json:"name"`
	First string `json:"first"`
}

// Open reads which layers there are that were made under the same policy and not after
// asOf. Relied tells of which looks the finds still count: none of those before since.
func Open(ctx context.Context, store state.Store, asOf time.Time, policy string, since time.Time, relied func(asOf time.Time) bool, log func(msg string, args ...any)) *Index {
	x := &Index{store: store, log: log, policy: policy, since: since, relied: relied, asOf: asOf}
	var names []string
	for record, err := range store.List(ctx, Folder, Folder+state.Stamp(since)) {
		if err != nil {
			log("the index cannot be read: everything is looked at", "error", err.Error())
			return x
		}
		if strings.HasSuffix(record.Name, layerSuffix) {
			names = append(names, record.Name)
		}
	}
	replaced := map[string]bool{}
	for _, name := range slices.Backward(names) {
		if replaced[name] {
			continue
		}
		if len(x.layers) == maxLayers || ctx.Err() != nil {
			break
		}
		data, err := store.Read(ctx, name)
		l := &layer{}
		if err == nil {
			l, err = decodeLayer(data)
		}
		l.name = name
		switch {
		case err != nil:
			log("a layer of the index cannot be read: what it has is looked at", "record", name, "error", err.Error())
		case l.Format != layerFormat, l.Policy != policy, len(l.Looks) == 0, slices.ContainsFunc(l.Looks, asOf.Before), !slices.ContainsFunc(l.Looks, relied):
		default:
			x.layers = append(x.layers, l)
			for _, older := range l.Replaces {
				replaced[older] = true
			}
		}
	}
	return x
}

// maxLayer bounds in bytes what is read of a layer but for its segments: ten million
// entries take some hundred kilobytes.
const maxLayer = 8 << 20

// decodeLayer reads what a layer has but for its segments. A layer is returned also with
// an error.
func decodeLayer(data []byte) (*layer, error) {
	l := &layer{}
	if err := state.Decode(data, maxLayer, l); err != nil {
		return &layer{}, err
	}
	if l.Entries < 0 || len(l.Looks) > maxLooks {
		return &layer{}, fmt.Errorf("%d entries that %d looks found out", l.Entries, len(l.Looks))
	}
	return l, nil
}

// Splits returns names, in order, between which there are at least some thousands more.
func (x *Index) Splits() (names []string) {
	most := 0
	for _, l := range x.layers {
		if l.Entries <= most {
			continue
		}
		most, names = l.Entries, nil
		for _, segment := range l.Segments[min(1, len(l.Segments)):] {
			names = append(names, segment.First)
		}
	}
	return names
}

// Find returns what is known by a name. Names are asked for in order, but for such as came
// too late for that: those come last, in their own.
func (x *Index) Find(ctx context.Context, name string) (entries []Entry) {
	if name <= x.last {
		if x.turned {
			return nil
		}
		x.turned = true
		for _, l := range x.layers {
			l.close()
			l.begun, l.ended = false, false
		}
	}
	x.last = name
	known := false
	for _, l := range x.layers {
		if l.broken {
			continue
		}
		found, err := l.find(ctx, x.store, name)
		if err != nil {
			l.broken = true
			l.close()
			if ctx.Err() == nil {
				x.log("a layer of the index cannot be read: what it has is looked at", "record", l.name, "error", err.Error())
			}
			continue
		}
		if known || len(found) == 0 {
			continue // it only keeps up
		}
		if known = true; x.relied(l.Looks[found[0].look]) {
			entries = found
		}
	}
	return entries
}

// find returns the layer's entries of a name, and goes on to what comes after it.
func (l *layer) find(ctx context.Context, store state.Store, name string) (entries []Entry, err error) {
	if !l.begun {
		l.begun = true
		l.next = max(0, sort.Search(len(l.Segments), func(i int) bool { return l.Segments[i].First >= name })-1)
		if name > l.Last {
			l.next = len(l.Segments)
		}
		err = l.advance(ctx, store)
	}
	for err == nil && !l.ended && l.ahead.Name <= name {
		if l.ahead.Name == name {
			entries = append(entries, l.ahead)
		}
		err = l.advance(ctx, store)
	}
	return entries, err
}

// advance reads the next entry.
func (l *layer) advance(ctx context.Context, store state.Store) error {
	for {
		if l.pull != nil {
			e, err, ok := l.pull()
			if ok {
				l.ahead = e
				return err
			}
			l.close()
		}
		if l.next == len(l.Segments) {
			l.ended = true
			return nil
		}
		l.pull, l.stop = iter.Pull2(l.entries(ctx, store, l.next))
		l.next++
	}
}

// entries yields the entries of a segment. An error ends it.
func (l *layer) entries(ctx context.Context, store state.Store, segment int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		name := l.Segments[segment].Name
		data, err := store.Read(ctx, name)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for e, err := range Entries(data) {
			switch {
			case err != nil:
				err = fmt.Errorf("%s: %w", name, err)
			case e.look >= len(l.Looks):
				err = fmt.Errorf("%s: %s was found out by look %d of %d", name, e.Name, e.look, len(l.Looks))
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (l *layer) close() {
	if l.stop != nil {
		l.stop()
		l.pull, l.stop = nil, nil
	}
}

// Add notes what was found out.
func (x *Index) Add(e Entry) {
	if x.off {
		return
	}
	if err := x.finds.Add(e.Name, e.appendTo(nil)); err != nil {
		x.off = true
		x.finds.Close() // the plan needs the space
		x.log("what is looked at cannot be kept for the next sweep", "error", err.Error())
	}
}

// Write leaves what was found out as a layer; the run names it. Whole says that all of it
// is there, or that nothing else tells how far the run came. Then it makes one layer of
// some. What cannot be written is looked at again.
func (x *Index) Write(ctx context.Context, now time.Time, run string, whole bool) {
	if x.off || x.finds.Len() == 0 || !whole && x.finds.Len() < minCutOff {
		return
	}
	folder := Folder + state.RunName(now, run)
	own := &layer{Looks: []time.Time{x.asOf}}
	err := x.write(ctx, own, folder)
	if err == nil {
		x.layers = slices.Insert(x.layers, 0, own)
		err = x.compact(ctx, folder+"_more")
	}
	if err != nil {
		x.log("what was looked at could not be kept for the next sweep", "error", err.Error())
	}
}

// compact makes one layer of the newest that are not much larger than those before them
// together, if these are several. Its name has to come after theirs.
func (x *Index) compact(ctx context.Context, folder string) error {
	few, entries := 0, 0
	for few < len(x.layers) && !x.layers[few].broken && x.layers[few].Entries <= max(2*entries, x.layers[0].Entries) {
		entries += x.layers[few].Entries
		few++
	}
	if few < compactable {
		return nil
	}
	one := &layer{}
	for i, older := range x.layers[:few] {
		at := make([]int, len(older.Looks)) // where they are among the new one's
		for look, asOf := range older.Looks {
			if at[look] = -1; x.relied(asOf) && len(one.Looks) < maxLooks {
				at[look] = len(one.Looks)
				one.Looks = append(one.Looks, asOf)
			}
		}
		one.Replaces = append(one.Replaces, older.name)
		for _, name := range older.Replaces {
			if name >= Folder+state.Stamp(x.since) {
				one.Replaces = append(one.Replaces, name)
			}
		}
		if i == 0 {
			continue // its entries are the finds
		}
		for segment := range older.Segments {
			for e, err := range older.entries(ctx, x.store, segment) {
				if err != nil {
					return err
				}
				if e.look = at[e.look]; e.look >= 0 {
					x.Add(e)
				}
			}
		}
	}
	if x.off {
		return nil // it has been told
	}
	return x.write(ctx, one, folder)
}

// write writes a layer of what has been added: of each name what came first.
func (x *Index) write(ctx context.Context, l *layer, folder string) error {
	l.Format, l.Policy, l.Segments, l.name = layerFormat, x.policy, []part{}, folder+layerSuffix
	w := NewWriter(func(first string, segment []byte) error {
		name := fmt.Sprintf("%s/%06d.gz", folder, len(l.Segments)+1)
		l.Segments = append(l.Segments, part{name, first})
		return x.store.Create(ctx, name, segment)
	})
	look := 0
	for found, err := range x.finds.All() {
		var e Entry
		if err == nil {
			e, err = read(bytes.NewReader(found.Rest))
		}
		if err != nil {
			return err
		}
		if e.Name = found.Name; e.Name != l.Last {
			l.Last, look = e.Name, e.look
		}
		if e.look != look {
			continue
		}
		l.Entries++
		if err := w.Add(e); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return x.store.Create(ctx, l.name, data)
}

// Close lets everything go.
func (x *Index) Close() {
	for _, l := range x.layers {
		l.close()
	}
	x.finds.Close()
}
