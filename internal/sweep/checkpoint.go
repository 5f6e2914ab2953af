package sweep

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// A look at the inventory that does not come to its end, since its time is up or it
// is killed, is carried on by the next scheduled run, for as long as checkpointAge: then
// it starts over. That is a day, and an hour for a timer that comes once a day.
const (
	checkpointFolder = "checkpoints/"
	checkpointAge    = 25 * time.Hour
)

// A look notes where it is as soon as it has found a segment of the plan, and else
// every checkpointTime; but never more often than once for each checkpointStep of
// candidates, nor while an earlier checkpoint is being written.
const (
	checkpointTime = 10 * time.Second
	checkpointStep = 1000
	// checkpointLines is how many media of the plan one record holds, and how many a
	// look keeps for a store that is slow.
	checkpointLines = 5 * plan.SegmentEntries
)

// checkpoint is where a look is. It is the first line of a record; then come the
// rankings of groups, and what the plan has more than in the records before.
type checkpoint struct {
	Format int       `json:"format"`
	AsOf   time.Time `json:"asOf"`
	Policy string    `json:"policy"`
	// Previous is the record before, empty for the first.
	Previous string `json:"previous,omitempty"`
	// More says that what this record should say stands in a later one: it only has
	// a part of the plan.
	More bool `json:"more,omitempty"`
	// After is the last object of the prefixes that has been taken, with all before it.
	// Of what has been taken Pending, PendingIDs and Again are still to be asked for, the
	// last in the other form.
	After      string   `json:"after,omitempty"`
	Pending    []string `json:"pending,omitempty"`
	PendingIDs []string `json:"pendingIds,omitempty"`
	Again      []string `json:"again,omitempty"`
	// Seen is what has been taken since the record before; see seen.
	Seen []byte `json:"seen,omitempty"`
	// Known and KnownLive are how many objects were passed over, and live media of them.
	Known     int `json:"known,omitempty"`
	KnownLive int `json:"knownLive,omitempty"`
	// Report has the counts by then.
	Report *report.Report `json:"report,omitempty"`
	Places int            `json:"places,omitempty"` // how many rankings follow
}

// checkpointFormat is the version of checkpoint. A reader refuses others.
const checkpointFormat = 2

// checkpointLine is one medium of the plan that is being made.
type checkpointLine struct {
	Decided time.Time       `json:"decided"`
	Entry   json.RawMessage `json:"entry"`
}

// checkpoints writes where a look is. The run's mutex guards it, but for what the
// one writer has. Nil is the checkpoints of a look that needs none.
type checkpoints struct {
	folder  string // of all records of the look
	part    int    // which of the plan's lines the next record has
	lines   []line // of that part; nil once they are too many or cannot be written
	off     bool   // no record is written before the end
	noted   time.Time
	counted int // candidates at that time

	writing lock
	loaded  int    // lines of the plan that an earlier look had found
	saved   int    // the last part that was written
	last    string // the last record that was written
	number  int    // of the last record, ours or another's
}

// note takes a line of the plan.
func (c *checkpoints) note(l *line) {
	if c == nil {
		return
	}
	l.part = c.part
	if !c.off {
		c.lines = append(c.lines, *l)
		c.off = len(c.lines) > checkpointLines
	}
	if c.off {
		c.lines = nil
	}
}

// keepPlaceNowAndThen notes where the look is, if it is time to. The mutex is held.
func (r *run) keepPlaceNowAndThen(ctx context.Context) {
	c := r.checkpoint
	now, counted := time.Now(), r.listing.accounted
	if c.off || counted-c.counted < checkpointStep || len(c.lines) < plan.SegmentEntries && now.Sub(c.noted) < checkpointTime || !c.writing.tryTake() {
		return
	}
	lines, part := c.lines, c.part
	c.noted, c.counted, c.lines, c.part = now, counted, nil, c.part+1
	head, places := r.place()
	go func() {
		defer c.writing.giveBack()
		err := c.write(ctx, r.Store, head, places, each(lines))
		if err == nil {
			c.saved = part
			return
		}
		r.Log.Warn("where the look is could not be noted", "error", err.Error())
		r.mu.Lock()
		defer r.mu.Unlock()
		c.off, c.lines = true, nil
		if r.listing.seen != nil {
			r.listing.seen.putBack(head.Seen)
		}
	}()
}

func each(lines []line) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		for _, l := range lines {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// place returns where the look is. The mutex is held.
func (r *run) place() (checkpoint, []retention.Place) {
	one := *r.reports[0]
	one.Rules, one.Failures, one.Sources = slices.Clone(one.Rules), slices.Clone(one.Failures), slices.Clone(one.Sources)
	head := checkpoint{Format: checkpointFormat, AsOf: r.asOf, Policy: one.Policy, Report: &one, Seen: r.listing.seen.drain(),
		Pending: addresses(r.listing.left(media.SlashPlain)), PendingIDs: r.listing.leftIDs(), Again: addresses(r.listing.left(media.SlashEscaped))}
	if !r.listing.after.IsZero() {
		head.After = r.listing.after.String()
	}
	if r.known != nil {
		head.Known, head.KnownLive = r.known.objects, r.population()
	}
	return head, r.decider.Places()
}

// keepPlace notes where a look is that has come to its end, or to that of its time. One
// whose time is up is not followed by its plan: what is left may be too little for that.
func (r *run) keepPlace(ctx, soft context.Context) {
	c := r.checkpoint
	ctx, cancel := Afterwards(ctx, r.until)
	defer cancel()
	if c.writing.take(ctx) != nil {
		return // the store hangs
	}
	defer c.writing.giveBack()
	c.off, c.lines = true, nil
	if soft.Err() != nil && r.hasMore() {
		r.stop(soft)
	}
	if r.ending.status != report.Incomplete || !r.listing.hasBegun() {
		return
	}
	head, places := r.place()
	if r.hasMore() {
		unsaved := func(yield func(line, error) bool) {
			for l, err := range r.plan.all() {
				if (err != nil || l.part > c.saved) && !yield(l, err) {
					return
				}
			}
		}
		if err := c.write(ctx, r.Store, head, places, unsaved); err != nil {
			r.Log.Warn("where the look was cut off could not be noted", "error", err.Error())
			return
		}
	} // else it is where it was
	r.ending.why = fmt.Errorf("%w: the next scheduled run goes on after %s", r.ending.why, cmp.Or(head.After, "that"))
}

// hasMore reports whether the look has come further than a record says. It is called with
// the lock of the writer.
func (r *run) hasMore() bool {
	c := r.checkpoint
	return c.last == "" || r.listing.accounted > 0 || r.plan.count > c.loaded
}

// write writes a record, after such as have the lines that do not fit into it.
func (c *checkpoints) write(ctx context.Context, store state.Store, head checkpoint, places []retention.Place, lines iter.Seq2[line, error]) error {
	var batch []any
	for l, err := range lines {
		if err != nil {
			return err
		}
		if len(batch) == checkpointLines {
			if err := c.writeOne(ctx, store, checkpoint{Format: checkpointFormat, More: true}, batch); err != nil {
				return err
			}
			batch = nil
		}
		batch = append(batch, checkpointLine{time.Unix(l.decided, 0).UTC(), l.text})
	}
	following := make([]any, 0, len(places)+len(batch))
	for _, place := range places {
		following = append(following, place)
	}
	head.Places = len(places)
	return c.writeOne(ctx, store, head, append(following, batch...))
}

// writeOne writes one record, under the first number that is free.
func (c *checkpoints) writeOne(ctx context.Context, store state.Store, head checkpoint, following []any) error {
	head.Previous = c.last
	var record bytes.Buffer
	squeezed, _ := gzip.NewWriterLevel(&record, gzip.BestSpeed) // the level is a valid one
	lines := json.NewEncoder(squeezed)
	err := lines.Encode(head)
	for _, one := range following {
		if err == nil {
			err = lines.Encode(one)
		}
	}
	if err = errors.Join(err, squeezed.Close()); err != nil {
		return err
	}
	if record.Len() > state.MaxBytes {
		return fmt.Errorf("a record of %d bytes could not be read again", record.Len())
	}
	for {
		c.number++
		name := fmt.Sprintf("%s%06d.jsonl.gz", c.folder, c.number)
		switch err := store.Create(ctx, name, record.Bytes()); {
		case errors.Is(err, state.ErrExists):
			continue
		case err == nil:
			c.last = name
			return nil
		default:
			return err
		}
	}
}

const closedName = "closed.json"

// closeCheckpoints notes that the look has come to its end: its plan is written.
func (r *run) closeCheckpoints(ctx context.Context) {
	c := r.checkpoint
	if c == nil || !c.writing.tryTake() {
		return
	}
	defer c.writing.giveBack()
	if c.last == "" {
		return
	}
	if err := r.Store.Create(ctx, c.folder+closedName, []byte("{\"format\":1}\n")); err != nil {
		r.Log.Warn("the next run looks again at what this one has looked at", "error", err.Error())
	}
}

// carryOn makes the run go on where an earlier one was cut off, if one was under the
// same rules and not too long ago. A record that cannot be read is told, and the one
// before it is taken.
func (r *run) carryOn(ctx context.Context) {
	c := &checkpoints{part: 1, noted: time.Now(), writing: newLock()}
	c.folder = fmt.Sprintf("%s%s-%s/", checkpointFolder, r.Now().UTC().Format(checkpointForm), state.SafeName(r.reports[0].Run))
	r.checkpoint, r.took = c, func() { r.keepPlaceNowAndThen(ctx) }
	records, err := r.cutOff(ctx)
	if err != nil {
		r.Log.Error("a look that was cut off cannot be carried on: starting over", "error", err.Error())
	}
	for _, name := range slices.Backward(records) {
		switch err := r.load(ctx, name); {
		case errors.Is(err, errFinished):
			return
		case errors.Is(err, errNoPlace):
		case err != nil:
			r.Log.Error("a look that was cut off cannot be carried on from here", "record", name, "error", err.Error())
		default:
			c.folder, c.last, c.loaded = name[:strings.LastIndex(name, "/")+1], name, r.plan.count
			_, _ = fmt.Sscanf(records[len(records)-1][len(c.folder):], "%d", &c.number) // else the first that is free
			return
		}
	}
}

// checkpointForm sorts as time does.
const checkpointForm = "20060102T150405.000000000Z"

// cutOff returns the records of the latest look, if it was cut off.
func (r *run) cutOff(ctx context.Context) ([]string, error) {
	records := map[string][]string{}
	for record, err := range r.Store.List(ctx, checkpointFolder, checkpointFolder+r.Now().UTC().Add(-checkpointAge).Format(checkpointForm)) {
		if err != nil {
			return nil, fmt.Errorf("look for a look that was cut off: %w", err)
		}
		folder := record.Name[:strings.LastIndex(record.Name, "/")+1]
		records[folder] = append(records[folder], record.Name)
	}
	if len(records) == 0 {
		return nil, nil
	}
	latest := records[slices.Max(slices.Collect(maps.Keys(records)))]
	if strings.HasSuffix(latest[len(latest)-1], "/"+closedName) { // letters come after digits
		return nil, nil
	}
	return latest, nil
}

// errNoPlace says that a record is none to carry on from, and errFinished that the look
// has been finished, though that could not be noted.
var (
	errNoPlace  = errors.New("not a place to carry on from")
	errFinished = errors.New("the look has been finished")
)

// load takes over what a record and those before it have, all of it or nothing.
func (r *run) load(ctx context.Context, name string) error {
	var head checkpoint
	var taken *seen
	var places []retention.Place
	var loaded spool
	previous := name
	for first := true; previous != ""; first = false {
		read, ranked, err := r.loadOne(ctx, previous, &loaded)
		switch {
		case err != nil:
		case first && (read.More || read.Policy != r.reports[0].Policy || r.Now().Sub(read.AsOf) > checkpointAge):
			err = errNoPlace
		case first:
			head, places = read, ranked
		}
		if len(read.Seen) > 0 {
			if taken == nil {
				taken = &seen{kept: true}
			}
			taken.load(read.Seen)
		}
		if err == nil && read.Previous >= previous {
			err = fmt.Errorf("it follows %s", read.Previous)
		}
		if err != nil {
			loaded.close()
			return err
		}
		previous = read.Previous
	}
	begun, err := hasBegun(ctx, r.Store, head.AsOf)
	switch {
	case err != nil:
	case begun:
		err = errFinished
	default:
		err = r.resume(head, places)
	}
	if err != nil {
		loaded.close()
		return err
	}
	r.plan, r.listing.seen = loaded, taken
	r.Log.Info("carrying on a look that was cut off", "after", head.After, "asOf", head.AsOf, "looked", head.Report.Counts.Looked)
	return nil
}

// loadOne reads one record, and its part of the plan.
func (r *run) loadOne(ctx context.Context, name string, into *spool) (head checkpoint, places []retention.Place, err error) {
	data, err := r.Store.Read(ctx, name)
	if err != nil {
		return head, nil, err
	}
	number := 0
	for text, err := range lines(data) {
		switch {
		case err != nil:
		case number == 0:
			err = json.Unmarshal(text, &head)
			if err == nil && (head.Format != checkpointFormat || head.Report == nil && !head.More) {
				err = fmt.Errorf("format %d: this program reads format %d", head.Format, checkpointFormat)
			}
		case number <= head.Places:
			var place retention.Place
			err = json.Unmarshal(text, &place)
			places = append(places, place)
		default:
			err = loadLine(text, into)
		}
		if err != nil {
			return head, nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		number++
	}
	if number == 0 || number <= head.Places {
		return head, nil, errors.New("it is cut off")
	}
	return head, places, nil
}

func loadLine(text []byte, into *spool) error {
	var kept struct {
		Decided time.Time
		Entry   plan.Entry
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return err
	}
	l, err := keptLine(kept.Entry, kept.Decided)
	if err != nil {
		return err
	}
	return into.add(l)
}

// resume takes over where a look was.
func (r *run) resume(head checkpoint, places []retention.Place) error {
	var at listing
	if head.After != "" {
		after, err := media.ParseObject(head.After)
		if err != nil {
			return err
		}
		at.after = after
	}
	for slash, texts := range map[media.Slash][]string{media.SlashPlain: head.Pending, media.SlashEscaped: head.Again} {
		for _, text := range texts {
			object, err := media.ParseObject(text)
			if err != nil {
				return err
			}
			at.put(inventory.Candidate{Object: object}, slash)
		}
	}
	for _, id := range head.PendingIDs {
		at.put(inventory.Candidate{MediaID: id}, media.SlashPlain)
	}
	decider := retention.NewDecider(r.Policy, head.AsOf)
	decider.Marks, decider.Clock = r.Marks.Of(head.AsOf), r.Now
	if err := decider.Resume(places); err != nil {
		return err
	}
	one := r.reports[0]
	one.AsOf, one.Counts, one.Rules, one.Failures = head.AsOf, head.Report.Counts, head.Report.Rules, head.Report.Failures
	one.Sources = head.Report.Sources
	r.known = &known{objects: head.Known, live: head.KnownLive}
	if len(one.Failures) > 0 {
		r.missing[one] = true
	}
	r.asOf, r.decider, r.listing, r.again = head.AsOf, decider, at, at.left(media.SlashEscaped)
	return nil
}
