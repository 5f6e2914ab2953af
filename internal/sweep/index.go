package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// A scheduled sweep leaves a layer of the index: what it found out about the objects that
// it looked at. The next ones pass over an object that is as a layer says, under the same
// rules, and of which nothing is due, until the layer is as old as the policy's fullEvery.
// Of several layers the newest that has an object counts. A layer that is lost or damaged
// costs look-ups, and nothing else: what is passed over is not deleted.
const indexFolder = "index/"

const layerSuffix = "/layer.json"

// youth is how long an object may be without a medium and get one soon.
const youth = 24 * time.Hour

// maxLayers is how many layers are read at once: the newest.
const maxLayers = 64

// layerFormat is the version of layer and of its segments. A reader passes over others.
const layerFormat = 1

// layer is one layer, and how far it has been read.
type layer struct {
	Format   int         `json:"format"`
	AsOf     time.Time   `json:"asOf"`
	Policy   string      `json:"policy"`
	Segments []layerPart `json:"segments"`

	name  string
	next  int // the segment to read next
	pull  func() (index.Entry, error, bool)
	stop  func()
	ahead index.Entry // not asked for yet
	ended bool
}

// layerPart is a segment, and the first name in it.
type layerPart struct {
	Name  string `json:"name"`
	First string `json:"first"`
}

// known is what earlier sweeps found out. Nil knows nothing.
type known struct {
	store  state.Store
	log    func(msg string, args ...any)
	layers []*layer // the newest first
	last   string   // asked for
	turns  int      // how often names may still start over: once for each prefix

	// The mutex of the run guards these: of the objects that were passed over.
	objects, live int
}

// indexName is what an object is called in the index.
func indexName(object media.Object) string { return object.Bucket + "/" + object.Key }

// openIndex reads which layers there are.
func (r *run) openIndex(ctx context.Context) {
	k := r.known
	if k == nil { // not of a look that is carried on
		k = &known{}
	}
	k.store, k.log, k.turns = r.Store, r.Log.Warn, len(r.Policy.Inventory.Prefixes)
	r.known, r.note = k, r.indexed
	reach := r.Policy.FullEvery.After(r.asOf, r.Policy.Timezone).Sub(r.asOf) + 48*time.Hour // months differ in length
	for record, err := range r.Store.List(ctx, indexFolder, indexFolder+r.asOf.Add(-reach).Format(stampForm)) {
		if err != nil {
			k.log("the index cannot be read: everything is looked at", "error", err.Error())
			k.layers = nil
			return
		}
		if !strings.HasSuffix(record.Name, layerSuffix) {
			continue
		}
		l := &layer{name: record.Name}
		data, err := r.Store.Read(ctx, record.Name)
		if err == nil {
			err = json.Unmarshal(data, l)
		}
		switch {
		case err != nil:
			k.log("a layer of the index cannot be read: what it has is looked at", "record", record.Name, "error", err.Error())
		case l.Format != layerFormat, l.Policy != r.reports[0].Policy, l.AsOf.After(r.asOf),
			!r.Policy.FullEvery.After(l.AsOf, r.Policy.Timezone).After(r.asOf):
		default:
			k.layers = slices.Insert(k.layers, 0, l)
		}
	}
	k.layers = k.layers[:min(len(k.layers), maxLayers)]
}

// isKnown reports whether an object need not be looked at, and counts it. It is called
// by one goroutine, without the mutex.
func (r *run) isKnown(ctx context.Context, c inventory.Candidate) bool {
	entries := r.known.find(ctx, indexName(c.Object))
	for _, e := range entries {
		if e.Modified != c.Modified || e.Due <= r.asOf.Unix() {
			return false
		}
	}
	if len(entries) == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.objects++
	for _, e := range entries {
		if e.Medium {
			r.known.live++
		}
	}
	return true
}

// find returns what is known of an object. Names come in order, but for a new beginning
// with each prefix; a listing in any other order is not one to rely on.
func (k *known) find(ctx context.Context, name string) (entries []index.Entry) {
	if k == nil || len(k.layers) == 0 {
		return nil
	}
	again := name <= k.last
	if again || k.last == "" {
		if k.turns--; k.turns < 0 {
			k.log("the bucket is not listed in the order of its names: everything is looked at", "name", name, "after", k.last)
			k.close()
			k.layers = nil
			return nil
		}
	}
	start := again || k.last == ""
	k.last = name
	for i := 0; i < len(k.layers); i++ {
		l := k.layers[i]
		found, err := l.find(ctx, k.store, name, start)
		if err != nil {
			k.log("a layer of the index cannot be read: what it has is looked at", "record", l.name, "error", err.Error())
			l.close()
			k.layers = slices.Delete(k.layers, i, i+1)
			i--
			continue
		}
		if len(entries) == 0 {
			entries = found // the others only keep up
		}
	}
	return entries
}

// find returns the layer's entries of a name, and goes on to what comes after it.
func (l *layer) find(ctx context.Context, store state.Store, name string, start bool) (entries []index.Entry, err error) {
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
		l.pull, l.stop = iter.Pull2(index.Entries(segment))
	}
}

func (l *layer) close() {
	if l.stop != nil {
		l.stop()
		l.pull, l.stop = nil, nil
	}
}

// population returns how many live media were passed over, and met nowhere else.
func (r *run) population() int {
	if r.known == nil {
		return 0
	}
	return r.known.live - r.listing.met
}

func (k *known) close() {
	if k != nil {
		for _, l := range k.layers {
			l.close()
		}
	}
}

// tellOfKnown says in a report what was not looked at.
func (r *run) tellOfKnown(one *report.Report) {
	if r.known != nil && r.known.objects > 0 {
		one.Notes = append(one.Notes, fmt.Sprintf("%d objects are as an earlier sweep found them, with nothing due: they were not looked at", r.known.objects))
	}
}

// indexed notes what was found out about an object: a medium, or none. The mutex is
// held.
func (r *run) indexed(object media.Object, modified int64, m *media.Medium) {
	if r.findsOff {
		return
	}
	e := index.Entry{Modified: modified, Due: index.Never}
	if m == nil && r.asOf.Unix()-modified < int64(youth.Seconds()) {
		e.Due = 0
	}
	if m != nil {
		facts := r.facts(m)
		facts.NotLatest = true
		verdict := retention.Decide(r.Policy, m, facts).Verdict
		e.Medium = verdict != retention.Absent
		switch due, _, ok := retention.Due(r.Policy, m, facts); {
		case verdict == retention.Unknown: // perhaps it only is not told yet
			e.Due = 0
		case retention.IsRanked(r.Policy, m, facts), facts.Mark == retention.Unverified, facts.Mark == retention.Restored:
			e.Due = 0 // its verdict hangs on others, or on what ends: it is looked at every time
		case ok:
			e.Due = due.Unix()
		}
	}
	if err := r.finds.add(line{id: indexName(object), text: e.AppendTo(nil)}); err != nil {
		r.findsOff = true
		r.finds.close() // the plan needs the space
		r.finds = spool{}
		r.Log.Warn("what is looked at cannot be kept for the next sweep", "error", err.Error())
	}
}

// writeLayer writes what was found out. What cannot be written is looked at again.
func (r *run) writeLayer(ctx context.Context) {
	if r.findsOff || r.finds.count == 0 {
		return
	}
	one := r.reports[0]
	folder := fmt.Sprintf("%s%s-%s", indexFolder, r.Now().UTC().Format(stampForm), state.SafeName(one.Run))
	l := layer{Format: layerFormat, AsOf: r.asOf, Policy: one.Policy, Segments: []layerPart{}}
	w := index.NewWriter(func(first string, segment []byte) error {
		name := fmt.Sprintf("%s/%06d.gz", folder, len(l.Segments)+1)
		l.Segments = append(l.Segments, layerPart{name, first})
		return r.Store.Create(ctx, name, segment)
	})
	err := func() error {
		for entry, err := range r.finds.all() {
			if err == nil {
				err = w.Add(entry.id, entry.text)
			}
			if err != nil {
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
		return r.Store.Create(ctx, folder+layerSuffix, data)
	}()
	if err != nil {
		r.Log.Warn("what was looked at could not be kept for the next sweep", "error", err.Error())
	}
}
