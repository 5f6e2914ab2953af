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
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
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
	// checkpointSeen is how many bytes of names one record holds, eight for each.
	checkpointSeen = 8 << 20
	// checkpointBytes bounds the lines of one record, before compression.
	checkpointBytes = 32 << 20
	// checkpointHead bounds the first line: names and what is pending.
	checkpointHead = 16 << 20
)

// checkpoint is where a look is. It is the first line of a record; then come the
// rankings of groups, and what the plan has more than in the records before.
type checkpoint struct {
	Format int       `json:"format"`
	AsOf   time.Time `json:"asOf"`
	Policy string    `json:"policy"`
	// Region is the library's: IDs mean nothing in another one.
	Region string `json:"region"`
	// Previous is the record before, empty for the first.
	Previous string `json:"previous,omitempty"`
	// More says that what this record should say stands in a later one: it only has
	// a part of the plan.
	More bool `json:"more,omitempty"`
	// After is the name of the last candidate that has been taken, with all before it, and
	// Pending are those of them that are still to be asked for.
	After   string    `json:"after,omitempty"`
	Pending []pending `json:"pending,omitempty"`
	// Seen is what has been added since the record before, and Remembers says that there
	// is such a memory; see seen.
	Seen      []byte `json:"seen,omitempty"`
	Remembers bool   `json:"remembers,omitempty"`
	// Passed and PassedLive are how many candidates were passed over, and live media of them.
	Passed     int `json:"passed,omitempty"`
	PassedLive int `json:"passedLive,omitempty"`
	// Report has the counts by then, and Missing says that not all could be looked at.
	Report  *report.Report `json:"report,omitempty"`
	Missing bool           `json:"missing,omitempty"`
	Places  int            `json:"places,omitempty"` // how many rankings follow
}

// pending is a candidate by its name; an object may have to be asked for with escaped
// slashes.
type pending struct {
	Name     string `json:"name"`
	Modified int64  `json:"modified,omitempty"`
	Escaped  bool   `json:"escaped,omitempty"`
}

// checkpointFormat is the version of checkpoint. A reader refuses others.
const checkpointFormat = 5

// checkpointLine is one medium of the plan that is being made. When it was read is not
// in it: whoever resumes reads it again.
type checkpointLine struct {
	Entry json.RawMessage `json:"entry"`
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

	writing  lock
	loaded   int    // lines of the plan that an earlier look had found
	saved    int    // the last part that was written
	last     string // the last record that was written
	previous string // the one that the next goes on from
	number   int    // of the last record, ours or another's
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
	if c.off || r.listing.unordered || counted-c.counted < checkpointStep || len(c.lines) < plan.SegmentEntries && now.Sub(c.noted) < checkpointTime || !c.writing.tryTake() {
		return
	}
	lines, part := c.lines, c.part
	c.noted, c.counted, c.lines, c.part = now, counted, nil, c.part+1
	head, places := r.place()
	go func() {
		defer c.writing.giveBack()
		err := task.Do(func() error { return c.write(ctx, r.Store, head, places, each(lines)) })
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

// place returns where the look is. The mutex is held, or nobody else is left.
func (r *run) place() (checkpoint, []retention.Place) {
	one := *r.reports[0]
	one.Rules, one.Failures, one.Sources = slices.Clone(one.Rules), slices.Clone(one.Failures), slices.Clone(one.Sources)
	one.Failures = slices.DeleteFunc(one.Failures, func(f report.Failure) bool { return slices.Contains(r.listing.misread, f) })
	head := checkpoint{Format: checkpointFormat, AsOf: r.asOf, Policy: one.Policy, Region: r.Region, Report: &one, After: r.listing.after, Seen: r.listing.seen.drain(), Remembers: r.listing.seen != nil,
		Passed: r.listing.passed, PassedLive: r.population(), Missing: r.missing[r.reports[0]]}
	for _, open := range r.listing.left() {
		head.Pending = append(head.Pending, pending{open.Name(), open.Modified, open.slash == media.SlashEscaped})
	}
	return head, r.decider.Places()
}

// keepPlace notes where a look is that has come to its end, or to that of its time. One
// whose time is up is not followed by its plan: what is left may be too little for that.
func (r *run) keepPlace(ctx, soft context.Context) {
	c := r.checkpoint
	ctx, cancel := r.budget.Afterwards(ctx)
	defer cancel()
	if c.writing.take(ctx) != nil {
		return // the store hangs
	}
	defer c.writing.giveBack()
	c.off, c.lines = true, nil
	if soft.Err() != nil && r.hasMore() {
		r.stop(soft)
	}
	if r.listing.unordered {
		return
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
	return c.last == "" || r.listing.accounted > 0 || r.plan.Len() > c.loaded
}

// write writes a record, after such as have the lines that do not fit into it.
func (c *checkpoints) write(ctx context.Context, store state.Store, head checkpoint, places []retention.Place, lines iter.Seq2[line, error]) error {
	var batch []any
	size := 0
	for l, err := range lines {
		if err != nil {
			return err
		}
		if len(batch) == checkpointLines || size > checkpointBytes {
			if err := c.writeOne(ctx, store, checkpoint{Format: checkpointFormat, More: true}, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch = append(batch, checkpointLine{l.text})
		size += len(l.text)
	}
	for len(head.Seen) > checkpointSeen {
		part := checkpoint{Format: checkpointFormat, More: true, Seen: head.Seen[:checkpointSeen]}
		if err := c.writeOne(ctx, store, part, nil); err != nil {
			return err
		}
		head.Seen = head.Seen[checkpointSeen:]
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
	head.Previous = c.previous
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
	for {
		c.number++
		name := fmt.Sprintf("%s%06d.jsonl.gz", c.folder, c.number)
		switch err := store.Create(ctx, name, record.Bytes()); {
		case errors.Is(err, state.ErrExists):
			continue
		case err == nil:
			c.last, c.previous = name, name
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
	if err := r.Store.Create(ctx, c.folder+closedName, []byte(emptyRecord)); err != nil {
		r.Log.Warn("the next run looks again at what this one has looked at", "error", err.Error())
	}
}
