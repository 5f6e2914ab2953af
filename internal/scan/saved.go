package scan

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

const (
	maxHead = 16 << 20
	// maxSegment bounds a segment in bytes, after decompression.
	maxSegment = 256 << 20
	// maxCount bounds the counts of a checkpoint, so that their sums do not overflow.
	maxCount = 1 << 40
)

func decodeHead(data []byte) (checkpoint, error) {
	var head checkpoint
	if err := state.Decode(data, maxHead, &head); err != nil {
		return checkpoint{}, err
	}
	if head.Format != checkpointFormat {
		return checkpoint{}, fmt.Errorf("%w: %w", text.OtherFormat(head.Format, checkpointFormat), errOther)
	}
	for _, n := range append([]int{head.Skipped, head.Live}, head.Segments...) {
		if n < 0 || n > maxCount {
			return checkpoint{}, fmt.Errorf("count or segment number %d is out of range", n)
		}
	}
	return head, nil
}

// readAhead is the number of segments that are read at once. One read takes tens of milliseconds.
const readAhead = 16

// savedFindings yields the findings of segments.
func (s *Scanner) savedFindings(ctx context.Context, folder string, segments []int) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		for some := range slices.Chunk(segments, readAhead) {
			names := make([]string, len(some))
			for i, number := range some {
				names[i] = fmt.Sprintf("%s%06d.gz", folder, number)
			}
			records, errs := state.ReadAll(ctx, s.Store, names)
			if err := cmp.Or(errs...); err != nil {
				yield(nil, err)
				return
			}
			for _, record := range records {
				for f, err := range segmentFindings(record) {
					if !yield(f, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// segmentFindings yields the findings of a segment, without the time when they were read.
func segmentFindings(segment []byte) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(nil, err)
			return
		}
		limited := &io.LimitedReader{R: unzipped, N: maxSegment}
		reader := bufio.NewReader(limited)
		for {
			key, encoded, err := readRecord(reader)
			switch {
			case errors.Is(err, io.EOF) && key == "" && limited.N > 0:
				return
			case errors.Is(err, io.EOF):
				err = errDamaged // it is longer
			}
			var f *finding
			if err == nil {
				f, err = saved(key, encoded)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// readRecord reads one record. At the end of the segment it returns io.EOF and no key.
func readRecord(reader *bufio.Reader) (key string, encoded []byte, err error) {
	keySize, err := binary.ReadUvarint(reader)
	if err != nil {
		return "", nil, err
	}
	size, err := binary.ReadUvarint(reader)
	if err != nil || keySize > maxKey || size > 2*plan.MaxLine {
		return "damaged", nil, errDamaged
	}
	record := make([]byte, keySize+size)
	if _, err := io.ReadFull(reader, record); err != nil {
		return "damaged", nil, errDamaged
	}
	return string(record[:keySize]), record[keySize:], nil
}

// maxKey bounds the key of a finding, in bytes. A bucket has up to 63, and an object key 1,023.
const maxKey = 2 << 10

// saved decodes a finding of a segment. It takes the fields of an expired medium from its line.
func saved(key string, encoded []byte) (*finding, error) {
	f, err := decode(key, encoded)
	if err != nil {
		return nil, err
	}
	if f.verdict != retention.Expired {
		f.line = plan.Line{}
		return f, nil
	}
	entry, _, err := plan.ParseEntry(f.line.Text)
	if err != nil {
		return nil, err
	}
	l, err := plan.Saved(entry)
	if err == nil && (l.MediaID != f.mediaID || l.Rule != f.rule) {
		err = errors.New("the media ID or the rule of a finding is not that of its plan entry")
	}
	f.line = l
	return f, err
}
