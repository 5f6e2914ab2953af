package scan

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// A scheduled scan that is cut off or killed is resumed by the next scheduled run, for as
// long as checkpointAge: a day, and an hour for a timer that comes once a day.
const (
	checkpointFolder = "checkpoints/"
	checkpointAge    = 25 * time.Hour
)

const (
	// A checkpoint is due after checkpointTime, but not before checkpointStep candidates, or
	// when there are maxUnsaved findings that no checkpoint has.
	checkpointTime = 10 * time.Second
	checkpointStep = 1000
	maxUnsaved     = 2000
	// segmentSize is the size in bytes, compressed, from which a segment is not added to.
	segmentSize = 4 << 20
	// storeTime bounds the writing of a checkpoint: the scan waits for it.
	storeTime = 5 * time.Second
)

// checkpoint is the head of a saved scan. It names the segments that have what was found;
// these never change.
type checkpoint struct {
	Format int       `json:"format"`
	AsOf   time.Time `json:"asOf"`
	Policy string    `json:"policy"`
	// Region is the library's: IDs mean nothing in another one.
	Region string `json:"region"`
	// Sorted says that listings are sorted first.
	Sorted bool `json:"sorted,omitempty"`
	// Segments are the numbers of records with findings.
	Segments []int `json:"segments"`
	// After is the name of the last candidate that was taken, and Pending are candidates
	// up to it that are still to be looked up.
	After   string          `json:"after,omitempty"`
	Pending []pendingRecord `json:"pending,omitempty"`
	// Passed counts the candidates that were passed over, and Known their live media.
	Passed int `json:"passed,omitempty"`
	Known  int `json:"known,omitempty"`
	// Missing says that some candidates or sources could not be read.
	Missing  bool             `json:"missing,omitempty"`
	Sources  []report.Source  `json:"sources,omitempty"`
	Failures []report.Failure `json:"failures,omitempty"`
}

type pendingRecord struct {
	Name     string `json:"name"`
	Modified int64  `json:"modified,omitempty"`
	Escaped  bool   `json:"escaped,omitempty"`
}

// checkpointFormat is the version of checkpoint and of its segments. A reader refuses others.
const checkpointFormat = 6

// checkpointer writes the checkpoints of one scan. Nil is that of a scan that needs none.
type checkpointer struct {
	store  state.Store
	folder string
	number int // of the last record, ours or another's

	segments []int
	unsaved  bytes.Buffer
	squeezed *gzip.Writer
	records  int // in unsaved
	// whole is false if findings are in no segment: then the last checkpoint has all of them
	// again.
	whole   bool
	saved   bool // whether there is any checkpoint
	at      time.Time
	counted int // candidates at that time
}

func newCheckpointer(store state.Store, folder string) *checkpointer {
	c := &checkpointer{store: store, folder: folder, at: time.Now(), whole: true}
	c.squeezed, _ = gzip.NewWriterLevel(&c.unsaved, gzip.BestSpeed) // the level is a valid one
	return c
}

// add takes a finding.
func (c *checkpointer) add(key string, encoded []byte) {
	if c == nil || !c.whole {
		return
	}
	var sizes [2 * binary.MaxVarintLen64]byte
	lengths := binary.AppendUvarint(binary.AppendUvarint(sizes[:0], uint64(len(key))), uint64(len(encoded)))
	_, _ = c.squeezed.Write(lengths) // a Buffer takes everything
	_, _ = c.squeezed.Write([]byte(key))
	_, _ = c.squeezed.Write(encoded)
	c.records++
}

// save writes the findings since the last checkpoint, and then the head.
func (c *checkpointer) save(ctx context.Context, head checkpoint) error {
	if err := c.saveSegment(ctx); err != nil {
		c.whole = false
		c.unsaved.Reset()
		return err
	}
	head.Format, head.Segments = checkpointFormat, c.segments
	record, err := json.Marshal(head)
	if err == nil {
		_, err = c.create(ctx, ".json", record)
	}
	c.saved = c.saved || err == nil
	return err
}

func (c *checkpointer) saveSegment(ctx context.Context) error {
	if c.records == 0 {
		return nil
	}
	if err := c.squeezed.Close(); err != nil {
		return err
	}
	number, err := c.create(ctx, ".gz", bytes.Clone(c.unsaved.Bytes())) // a store may keep what it is given
	if err != nil {
		return err
	}
	c.segments = append(c.segments, number)
	c.records = 0
	c.unsaved.Reset()
	c.squeezed.Reset(&c.unsaved)
	return nil
}

// create writes a record under the first number that is free.
func (c *checkpointer) create(ctx context.Context, suffix string, record []byte) (number int, err error) {
	err = state.ErrExists
	for errors.Is(err, state.ErrExists) {
		c.number++
		err = c.store.Create(ctx, fmt.Sprintf("%s%06d%s", c.folder, c.number, suffix), record)
	}
	return c.number, err
}

// saveAll writes all findings again: some are in no segment.
func (c *checkpointer) saveAll(ctx context.Context, draft *Draft) error {
	c.segments, c.records, c.whole = nil, 0, true
	c.unsaved.Reset()
	c.squeezed.Reset(&c.unsaved)
	for record, err := range draft.findings.All() {
		if err != nil {
			return err
		}
		c.add(record.Name, record.Rest)
		if c.unsaved.Len() > segmentSize || c.records == maxUnsaved {
			if err := c.saveSegment(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// maybeCheckpoint writes a checkpoint if one is due. One that cannot be written costs only
// what a resumed scan looks at again.
func (c *scan) maybeCheckpoint() {
	at := c.checkpoint
	if at == nil || !at.whole || c.cursor.accounted-at.counted < checkpointStep || time.Since(at.at) < checkpointTime && at.records < maxUnsaved && at.unsaved.Len() < segmentSize {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, storeTime)
	defer cancel()
	if err := at.save(ctx, c.place()); err != nil {
		c.Log.Warn("checkpoint not written", "error", err.Error())
	}
	at.at, at.counted = time.Now(), c.cursor.accounted
}

// place returns where the scan is.
func (c *scan) place() checkpoint {
	head := checkpoint{AsOf: c.report.AsOf, Policy: c.report.Policy, Region: c.Region, Sorted: c.sorted, After: c.cursor.after,
		Passed: c.Passed, Known: max(0, c.Known-c.rediscovered), Missing: c.Missing, Sources: c.report.Sources}
	for _, open := range c.cursor.left() {
		head.Pending = append(head.Pending, pendingRecord{open.Name(), open.Modified, open.slash == media.SlashEscaped})
	}
	for _, failure := range c.report.Failures {
		if !slices.Contains(c.sources.rowErrors, failure) {
			head.Failures = append(head.Failures, failure)
		}
	}
	return head
}

// Suspend saves where a scan is whose time is up, and returns why with the place where the
// next scheduled run goes on.
func (f *Found) Suspend(ctx context.Context, budget deadline.Budget, why error) error {
	at := f.checkpoint
	if at == nil || !f.begun {
		return why
	}
	if !at.saved || f.progressed { // else it is where it was
		ctx, cancel := budget.Record(ctx)
		defer cancel()
		var err error
		if !at.whole {
			err = at.saveAll(ctx, &f.Draft)
		}
		if err == nil {
			err = at.save(ctx, f.head)
		}
		if err != nil {
			return fmt.Errorf("%w (checkpoint not written: %s)", why, text.Bound(err.Error()))
		}
	}
	return fmt.Errorf("%w: the next scheduled run goes on after %s", why, cmp.Or(f.head.After, "that"))
}

const closedName = "closed.json"

// CloseCheckpoint records that nothing is left to resume: the plan is saved.
func (f *Found) CloseCheckpoint(ctx context.Context) error {
	if f.checkpoint == nil || !f.checkpoint.saved {
		return nil
	}
	if err := f.checkpoint.store.Create(ctx, f.checkpoint.folder+closedName, []byte("{\"format\":1}\n")); err != nil {
		return fmt.Errorf("close the checkpoint: the next run looks again at what this one has looked at: %w", err)
	}
	return nil
}
