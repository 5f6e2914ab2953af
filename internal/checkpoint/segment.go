package checkpoint

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"iter"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/extsort"
)

const (
	// A segment is full with maxRecords records, or with maxBytes bytes after compression.
	maxRecords = 2000
	maxBytes   = 4 << 20
	// maxSegment bounds a segment in bytes, after decompression. maxKey and maxValue bound one record of it.
	maxSegment = 256 << 20
	maxKey     = 2 << 10
	maxValue   = 16 << 20
)

// segment collects records in their compressed form. The zero value is empty.
type segment struct {
	content  bytes.Buffer
	squeezed *gzip.Writer
	line     []byte // of one record: the gzip.Writer is slow with short texts
	records  int
}

func (s *segment) add(key string, value []byte) {
	if s.squeezed == nil {
		s.squeezed, _ = gzip.NewWriterLevel(&s.content, gzip.BestSpeed) // the level is valid
	}
	s.line = binary.AppendUvarint(binary.AppendUvarint(s.line[:0], uint64(len(key))), uint64(len(value)))
	s.line = append(append(s.line, key...), value...)
	_, _ = s.squeezed.Write(s.line) // a Buffer returns no error
	s.records++
}

func (s *segment) empty() {
	s.records = 0
	s.content.Reset()
	s.squeezed.Reset(&s.content) // its memory is used again
}

func (s *segment) isFull() bool { return s.records >= maxRecords || s.content.Len() >= maxBytes }

var errDamaged = errors.New("a segment of the checkpoint is damaged")

// Decode yields the records of a segment. An error is the last.
func Decode(segment []byte) iter.Seq2[extsort.Record, error] {
	return func(yield func(extsort.Record, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(extsort.Record{}, err)
			return
		}
		limited := &io.LimitedReader{R: unzipped, N: maxSegment}
		reader := bufio.NewReader(limited)
		for {
			record, err := decode(reader)
			switch {
			case errors.Is(err, io.EOF) && limited.N > 0:
				return
			case errors.Is(err, io.EOF):
				err = errDamaged // it is longer
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// decode decodes one record. At the end of the segment it returns io.EOF.
func decode(reader *bufio.Reader) (extsort.Record, error) {
	keySize, err := binary.ReadUvarint(reader)
	if err != nil {
		return extsort.Record{}, err
	}
	size, err := binary.ReadUvarint(reader)
	if err != nil || keySize == 0 || keySize > maxKey || size > maxValue {
		return extsort.Record{}, errDamaged
	}
	record := make([]byte, keySize+size)
	if _, err := io.ReadFull(reader, record); err != nil {
		return extsort.Record{}, errDamaged
	}
	return extsort.Record{Name: string(record[:keySize]), Rest: record[keySize:]}, nil
}
