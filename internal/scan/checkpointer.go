package scan

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/state"
)

const (
	// A checkpoint is due after checkpointTime and checkpointStep candidates, or after maxUnsaved
	// findings.
	checkpointTime = 10 * time.Second
	checkpointStep = 1000
	maxUnsaved     = 2000
	// segmentSize is the size of a full segment, in bytes after compression.
	segmentSize = 4 << 20
)

// checkpointer writes the checkpoints of one scan. One without a resumer writes none.
type checkpointer struct {
	cursor
	trail
	resumer string // who resumes the scan
	saved   bool   // whether there is any checkpoint
	// tried is when the last checkpoint was due, after so many candidates were accounted for.
	tried      time.Time
	triedAfter int
	last       checkpoint // the head of the last one; the end of the scan sets it
}

func newCheckpointer(store state.Store, folder, resumer string) *checkpointer {
	return &checkpointer{cursor: newCursor(""), trail: trail{records: numbered{store: store, folder: folder}, whole: true}, resumer: resumer, tried: time.Now()}
}

// trail has the findings of a scan in segments.
type trail struct {
	records  numbered
	segments []int // that are written
	next     segment
	// whole is false if some findings are in no segment. The last checkpoint then writes all findings again.
	whole bool
}

// numbered creates records under the free numbers of a folder.
type numbered struct {
	store  state.Store
	folder string
	last   int // number in use
}

func (n *numbered) create(ctx context.Context, suffix string, record []byte) (number int, err error) {
	err = state.ErrExists
	for errors.Is(err, state.ErrExists) {
		n.last++
		err = n.store.Create(ctx, fmt.Sprintf("%s%06d%s", n.folder, n.last, suffix), record)
	}
	return n.last, err
}

// segment collects findings in their compressed form. The zero value is empty.
type segment struct {
	content  bytes.Buffer
	squeezed *gzip.Writer
	line     []byte // of one finding: the gzip.Writer is slow with short texts
	findings int
}

func (s *segment) add(key string, encoded []byte) {
	if s.squeezed == nil {
		s.squeezed, _ = gzip.NewWriterLevel(&s.content, gzip.BestSpeed) // the level is valid
	}
	s.line = binary.AppendUvarint(binary.AppendUvarint(s.line[:0], uint64(len(key))), uint64(len(encoded)))
	s.line = append(append(s.line, key...), encoded...)
	_, _ = s.squeezed.Write(s.line) // a Buffer returns no error
	s.findings++
}

func (s *segment) empty() {
	s.findings = 0
	s.content.Reset()
	s.squeezed.Reset(&s.content) // its memory is used again
}

// isFull reports whether the segment has as many findings, or bytes, as a segment should have.
func (s *segment) isFull() bool { return s.findings >= maxUnsaved || s.content.Len() >= segmentSize }

func (t *trail) add(key string, encoded []byte) {
	if t.whole {
		t.next.add(key, encoded)
	}
}

// saveSegment writes the findings since the last segment.
func (t *trail) saveSegment(ctx context.Context) error {
	if t.next.findings == 0 {
		return nil
	}
	if err := t.next.squeezed.Close(); err != nil {
		return err
	}
	number, err := t.records.create(ctx, ".gz", bytes.Clone(t.next.content.Bytes())) // the store may keep its argument
	if err != nil {
		return err
	}
	t.segments = append(t.segments, number)
	t.next.empty()
	return nil
}

// saveAll writes all findings again, as new segments.
func (t *trail) saveAll(ctx context.Context, draft *Draft) error {
	t.segments, t.next, t.whole = nil, segment{}, true
	for record, err := range draft.findings.All() {
		if err != nil {
			return err
		}
		t.add(record.Name, record.Rest)
		if t.next.isFull() {
			if err := t.saveSegment(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// isDue reports whether a checkpoint is due.
func (c *checkpointer) isDue() bool {
	return c.whole && c.accounted-c.triedAfter >= checkpointStep && (time.Since(c.tried) >= checkpointTime || c.next.isFull())
}

// save writes the findings since the last checkpoint as a segment, and then the head, at the cursor.
func (c *checkpointer) save(ctx context.Context, head checkpoint) error {
	if err := c.saveSegment(ctx); err != nil {
		c.whole = false
		c.next = segment{}
		return err
	}
	head.Segments = c.segments
	head.After = c.after
	for _, open := range c.left() {
		head.Pending = append(head.Pending, open.record())
	}
	record, err := json.Marshal(head)
	if err == nil {
		_, err = c.records.create(ctx, ".json", record)
	}
	c.saved = c.saved || err == nil
	return err
}

// saveLast writes the last checkpoint, unless the run has come no further than the one that it resumed.
func (c *checkpointer) saveLast(ctx context.Context, draft *Draft) error {
	if c.saved && !c.moved {
		return nil
	}
	if !c.whole {
		if err := c.saveAll(ctx, draft); err != nil {
			return err
		}
	}
	return c.save(ctx, c.last)
}
