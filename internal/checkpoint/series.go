// Package checkpoint saves what a long work has found, so that a later run goes on with it.
//
// A Series has the checkpoints of one work in a folder of the state store. It writes records in segments, and heads that refer
// to them: a head is the last of its checkpoint. Records of the store never change, and no number is used twice.
package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Series writes and reads the checkpoints of one work. The zero value keeps nothing.
type Series struct {
	store    state.Store
	folder   string
	last     int   // number in use
	segments []int // that are written
	next     segment
	isWhole  bool
	isSaved  bool
}

const (
	headSuffix    = "json"
	segmentSuffix = "gz"
	closedName    = "closed.json"
)

// New returns an empty series in a folder, whose name ends in a slash.
func New(store state.Store, folder string) *Series {
	return &Series{store: store, folder: folder, isWhole: true}
}

// Latest returns the series of the last folder below another one, and the numbers of its heads; none if the work was closed.
// It leaves out records whose names come before from or after to.
func Latest(ctx context.Context, store state.Store, below, from, to string) (s *Series, heads []int, err error) {
	s = New(store, "")
	closed := false
	for record, err := range store.List(ctx, below, from) {
		if err != nil {
			return s, nil, fmt.Errorf("list the checkpoints: %w", err)
		}
		if record.Name > to {
			break
		}
		at := strings.LastIndex(record.Name, "/") + 1
		if record.Name[:at] != s.folder {
			s.folder, s.last, heads, closed = record.Name[:at], 0, nil, false
		}
		name := record.Name[at:]
		closed = closed || name == closedName
		var number int
		var suffix string
		if n, _ := fmt.Sscanf(name, "%6d.%s", &number, &suffix); n != 2 {
			continue
		}
		if s.last = max(s.last, number); suffix == headSuffix {
			heads = append(heads, number)
		}
	}
	if closed {
		heads = nil
	}
	return s, heads, nil
}

// Folder returns the folder of the series.
func (s *Series) Folder() string { return s.folder }

// Head returns the head of a number.
func (s *Series) Head(ctx context.Context, number int) ([]byte, error) {
	return s.store.Read(ctx, s.name(number, headSuffix))
}

// readAhead is the number of segments that are read at once. One read takes tens of milliseconds.
const readAhead = 16

// Records yields the records of segments. An error is the last.
func (s *Series) Records(ctx context.Context, segments []int) iter.Seq2[extsort.Record, error] {
	return func(yield func(extsort.Record, error) bool) {
		for some := range slices.Chunk(segments, readAhead) {
			for _, segment := range state.ReadAll(ctx, s.store, some, func(number int) string { return s.name(number, segmentSuffix) }) {
				if segment.Err != nil {
					yield(extsort.Record{}, segment.Err)
					return
				}
				for record, err := range Decode(segment.Data) {
					if !yield(record, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// Resume goes on after the head that refers to these segments.
func (s *Series) Resume(segments []int) { s.segments, s.isSaved = segments, true }

// Add adds a record to the next segment.
func (s *Series) Add(key string, value []byte) {
	if s.isWhole {
		s.next.add(key, value)
	}
}

// IsFull reports whether the next segment has as many records, or bytes, as a segment should have.
func (s *Series) IsFull() bool { return s.next.isFull() }

// IsWhole reports whether segments, and the next one, have all records. It is false after a failed write: Rewrite must come
// before the next head.
func (s *Series) IsWhole() bool { return s.isWhole }

// IsSaved reports whether there is a head.
func (s *Series) IsSaved() bool { return s.isSaved }

// Flush writes the next segment. It returns the numbers of all segments, for a head.
func (s *Series) Flush(ctx context.Context) ([]int, error) {
	if err := s.write(ctx); err != nil {
		s.isWhole = false
		s.next = segment{}
		return nil, err
	}
	return s.segments, nil
}

func (s *Series) write(ctx context.Context) error {
	if s.next.records == 0 {
		return nil
	}
	if err := s.next.squeezed.Close(); err != nil {
		return err
	}
	number, err := s.create(ctx, segmentSuffix, bytes.Clone(s.next.content.Bytes())) // the store may keep its argument
	if err != nil {
		return err
	}
	s.segments = append(s.segments, number)
	s.next.empty()
	return nil
}

// Rewrite writes all records again, as new segments.
func (s *Series) Rewrite(ctx context.Context, all iter.Seq2[extsort.Record, error]) error {
	s.segments, s.next, s.isWhole = nil, segment{}, true
	for record, err := range all {
		if err != nil {
			return err
		}
		s.Add(record.Name, record.Rest)
		if s.IsFull() {
			if err := s.write(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// SaveHead writes a head as JSON. Its segments must be written.
func (s *Series) SaveHead(ctx context.Context, head any) error {
	record, err := json.Marshal(head)
	if err == nil {
		_, err = s.create(ctx, headSuffix, record)
	}
	s.isSaved = s.isSaved || err == nil
	return err
}

// Close records that the work is done: no run goes on with it.
func (s *Series) Close(ctx context.Context) error {
	return s.store.Create(ctx, s.folder+closedName, state.Empty())
}

// create creates a record under the next free number.
func (s *Series) create(ctx context.Context, suffix string, record []byte) (number int, err error) {
	err = state.ErrExists
	for errors.Is(err, state.ErrExists) {
		s.last++
		err = s.store.Create(ctx, s.name(s.last, suffix), record)
	}
	return s.last, err
}

func (s *Series) name(number int, suffix string) string {
	return fmt.Sprintf("%s%06d.%s", s.folder, number, suffix)
}
