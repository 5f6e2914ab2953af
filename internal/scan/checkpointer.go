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

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
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

// checkpointer writes the checkpoints of one scan. The zero value writes none.
type checkpointer struct {
	records  numbered
	resumer  string // who resumes the scan
	segments []int  // that are written
	next     segment
	// whole is false if some findings are in no segment. The last checkpoint then writes all
	// findings again.
	whole bool
	saved bool // whether there is any checkpoint
	// tried is when the last checkpoint was due, with so many candidates accounted for.
	tried     time.Time
	accounted int
	// last is the head of the last checkpoint, which is worth writing if the cursor has moved. The end of the scan sets them.
	last  checkpoint
	moved bool
}

func newCheckpointer(store state.Store, folder, resumer string) *checkpointer {
	return &checkpointer{records: numbered{store: store, folder: folder}, resumer: resumer, tried: time.Now(), whole: true}
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
	findings int
}

func (s *segment) add(key string, encoded []byte) {
	if s.squeezed == nil {
		s.squeezed, _ = gzip.NewWriterLevel(&s.content, gzip.BestSpeed) // the level is valid
	}
	var sizes [2 * binary.MaxVarintLen64]byte
	lengths := binary.AppendUvarint(binary.AppendUvarint(sizes[:0], uint64(len(key))), uint64(len(encoded)))
	_, _ = s.squeezed.Write(lengths) // a Buffer returns no error
	_, _ = s.squeezed.Write([]byte(key))
	_, _ = s.squeezed.Write(encoded)
	s.findings++
}

func (s *segment) empty() {
	s.findings = 0
	s.content.Reset()
	s.squeezed.Reset(&s.content) // its memory is used again
}

// isFull reports whether the segment has as many findings, or bytes, as a segment should have.
func (s *segment) isFull() bool { return s.findings >= maxUnsaved || s.content.Len() >= segmentSize }

func (c *checkpointer) add(key string, encoded []byte) {
	if c.whole {
		c.next.add(key, encoded)
	}
}

// isDue reports whether a checkpoint is due when so many candidates are accounted for.
func (c *checkpointer) isDue(accounted int) bool {
	return c.whole && accounted-c.accounted >= checkpointStep && (time.Since(c.tried) >= checkpointTime || c.next.isFull())
}

// save writes the findings since the last checkpoint as a segment, and then the head.
func (c *checkpointer) save(ctx context.Context, head checkpoint) error {
	if err := c.saveSegment(ctx); err != nil {
		c.whole = false
		c.next = segment{}
		return err
	}
	head.Segments = c.segments
	record, err := json.Marshal(head)
	if err == nil {
		_, err = c.records.create(ctx, ".json", record)
	}
	c.saved = c.saved || err == nil
	return err
}

func (c *checkpointer) saveSegment(ctx context.Context) error {
	if c.next.findings == 0 {
		return nil
	}
	if err := c.next.squeezed.Close(); err != nil {
		return err
	}
	number, err := c.records.create(ctx, ".gz", bytes.Clone(c.next.content.Bytes())) // the store may keep its argument
	if err != nil {
		return err
	}
	c.segments = append(c.segments, number)
	c.next.empty()
	return nil
}

// saveAll writes all findings again, as new segments.
func (c *checkpointer) saveAll(ctx context.Context, draft *Draft) error {
	c.segments, c.next, c.whole = nil, segment{}, true
	for record, err := range draft.findings.All() {
		if err != nil {
			return err
		}
		c.add(record.Name, record.Rest)
		if c.next.isFull() {
			if err := c.saveSegment(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// suspend writes the last checkpoint; see Found.Suspend.
func (c *checkpointer) suspend(ctx context.Context, budget deadline.Budget, draft *Draft, r *report.Report, why error) error {
	if c.resumer == "" || c.last.After == "" {
		return why
	}
	if !c.saved || c.moved {
		ctx, cancel := budget.Record(ctx)
		defer cancel()
		var err error
		if !c.whole {
			err = c.saveAll(ctx, draft)
		}
		if err == nil {
			err = c.save(ctx, c.last)
		}
		if err != nil {
			return fmt.Errorf("%w (checkpoint not written: %s)", why, text.Bound(err.Error()))
		}
	}
	r.Resumes = true
	return fmt.Errorf("%w: %s resumes it", why, c.resumer)
}
