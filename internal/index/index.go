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

// stampForm starts the names of layers, so that they sort by their times.
const stampForm = "20060102T150405.000000000Z"

const layerSuffix = "/layer.json"

// A layer that is cut off from what it was to have is written if it has so many entries:
// each costs every later run that reads it a call.
const minCutOff = 1000

// layerFormat is the version of layer and of its segments. A reader passes over others.
const layerFormat = 2

// Index is what earlier runs found out, and what this one does. Each leaves a layer; of
// several the newest that has a name counts. A new one takes over what those have that
// are not much larger than itself, so that there are few of them. Nothing in it can make a
// run fail: what cannot be read is not known. It is not safe for concurrent use, but that
// Find may be called beside Add.
type Index struct {
	store  state.Store
	log    func(msg string, args ...any)
	policy string
	relied func(asOf time.Time) bool
	layers []*layer // the newest first

	last   string // name that was asked for
	turned bool   // names have started over

	looks []time.Time // this run's, and those that it takes over
	finds spool.Spool
	off   bool // they cannot be kept
}

// layer is one layer, and how far it has been read.
type layer struct {
	Format int    `json:"format"`
	Policy string `json:"policy"`
	// Looks are when that was found out which the layer has; the layer's own is first.
	Looks    []time.Time `json:"looks"`
	Entries  int         `json:"entries"`
	Segments []part      `json:"segments"`
	// Replaces are the layers whose entries this one has taken over.
	Replaces []string `json:"replaces,omitempty"`

	name  string
	next  int // the segment to read next
	pull  func() (Entry, error, bool)
	stop  func()
	ahead Entry // not asked for yet
	ended bool
}

// part is a segment, and the first name in it.
type part struct {
	Name  string `json:"name"`
	First string `json:"first"`
}

// Open reads which layers there are that were made under the same policy and not after
// asOf. Relied tells of which looks the finds still count: none of those before since.
func Open(ctx context.Context, store state.Store, asOf time.Time, policy string, since time.Time, relied func(asOf time.Time) bool, log func(msg string, args ...any)) *Index {
	x := &Index{store: store, log: log, policy: policy, relied: relied, looks: []time.Time{asOf}}
	var names []string
	for record, err := range store.List(ctx, Folder, Folder+since.UTC().Format(stampForm)) {
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
		l := &layer{name: name}
		data, err := store.Read(ctx, name)
		if err == nil {
			err = json.Unmarshal(data, l)
		}
		switch {
		case err != nil:
			log("a layer of the index cannot be read: what it has is looked at", "record", name, "error", err.Error())
		case l.Format != layerFormat, l.Policy != policy, len(l.Looks) == 0, l.Looks[0].After(asOf), !slices.ContainsFunc(l.Looks, relied):
		default:
			x.layers = append(x.layers, l)
			for _, older := range l.Replaces {
				replaced[older] = true
			}
		}
	}
	return x
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

// Find returns what is known by a name. Names come in order, but for such as came too late
// for that: those come last, in their own.
func (x *Index) Find(ctx context.Context, name string) (entries []Entry) {
	if len(x.layers) == 0 {
		return nil
	}
	start := x.last == ""
	if name <= x.last {
		if x.turned {
			return nil
		}
		start, x.turned = true, true
	}
	x.last = name
	known := false
	for i := 0; i < len(x.layers); i++ {
		l := x.layers[i]
		found, err := l.find(ctx, x.store, name, start)
		if err != nil {
			x.log("a layer of the index cannot be read: what it has is looked at", "record", l.name, "error", err.Error())
			l.close()
			x.layers = slices.Delete(x.layers, i, i+1)
			i--
			continue
		}
		if !known { // else it only keeps up
			entries, known = found, len(found) > 0
			if known && !x.relied(l.Looks[found[0].look]) {
				entries = nil
			}
		}
	}
	return entries
}

// find returns the layer's entries of a name, and goes on to what comes after it.
func (l *layer) find(ctx context.Context, store state.Store, name string, start bool) (entries []Entry, err error) {
	if start {
		l.close()
		l.next = max(0, sort.Search(len(l.Segments), func(i int) bool { return l.Segments[i].First >= name })-1)
		l.ended = false
		err = l.advance(ctx, store)
	}
	for err == nil && !l.ended && l.ahead.Name <= name {
		if l.ahead.Name == name {
			entries = append(entries, l.ahead)
		}
		if l.ahead.look >= len(l.Looks) {
			return nil, fmt.Errorf("%s was found out by look %d of %d", l.ahead.Name, l.ahead.look, len(l.Looks))
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
		segment, err := store.Read(ctx, l.Segments[l.next].Name)
		if err != nil {
			return err
		}
		l.next++
		l.pull, l.stop = iter.Pull2(Entries(segment))
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

// Write leaves what was found out as a layer. The run names it; complete says that it has
// looked at everything that it was to look at. What cannot be written is looked at again.
func (x *Index) Write(ctx context.Context, now time.Time, run string, complete bool) {
	if x.off || x.finds.Len() == 0 || !complete && x.finds.Len() < minCutOff {
		return
	}
	l := layer{Format: layerFormat, Policy: x.policy, Segments: []part{}}
	if complete {
		x.takeOver(ctx, &l)
	}
	if err := x.write(ctx, &l, fmt.Sprintf("%s%s-%s", Folder, now.UTC().Format(stampForm), run)); err != nil {
		x.log("what was looked at could not be kept for the next sweep", "error", err.Error())
	}
}

// takeOver adds what still counts of layers that are not much larger than the new one.
func (x *Index) takeOver(ctx context.Context, l *layer) {
	for _, older := range x.layers {
		if older.Entries > 2*x.finds.Len() || len(x.looks)+len(older.Looks) > maxLooks {
			return
		}
		before := len(x.looks)
		x.looks = append(x.looks, older.Looks...)
		for _, segment := range older.Segments {
			data, err := x.store.Read(ctx, segment.Name)
			if err != nil {
				return // what it has still counts
			}
			for e, err := range Entries(data) {
				if err != nil || e.look >= len(older.Looks) {
					return // as above
				}
				if x.relied(older.Looks[e.look]) {
					e.look += before
					x.Add(e)
				}
			}
		}
		l.Replaces = append(append(l.Replaces, older.name), older.Replaces...)
	}
}

func (x *Index) write(ctx context.Context, l *layer, folder string) error {
	w := NewWriter(func(first string, segment []byte) error {
		name := fmt.Sprintf("%s/%06d.gz", folder, len(l.Segments)+1)
		l.Segments = append(l.Segments, part{name, first})
		return x.store.Create(ctx, name, segment)
	})
	last, newest := "", 0
	for found, err := range x.finds.All() {
		var e Entry
		if err == nil {
			e, err = read(bytes.NewReader(found.Rest))
		}
		if err != nil {
			return err
		}
		if found.Name != last {
			last, newest = found.Name, e.look
		}
		if e.look != newest {
			continue // what older looks found out does not count
		}
		e.Name = found.Name
		l.Entries++
		if err := w.Add(e); err != nil {
			return err
		}
	}
	l.Looks = x.looks
	if err := w.Close(); err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return x.store.Create(ctx, folder+layerSuffix, data)
}

// Close lets everything go.
func (x *Index) Close() {
	for _, l := range x.layers {
		l.close()
	}
	x.finds.Close()
}
