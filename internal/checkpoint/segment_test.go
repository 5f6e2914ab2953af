package checkpoint

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"
)

// segmentOf returns a segment with records of some keys.
func segmentOf(keys ...string) []byte {
	var s segment
	for _, key := range keys {
		s.add(key, []byte("value of "+key))
	}
	_ = s.squeezed.Close()
	return s.content.Bytes()
}

// A segment is full with two thousand records, or four megabytes.
func TestAFullSegment(t *testing.T) {
	for name, test := range map[string]struct {
		records, bytes int
		full           bool
	}{
		"many records": {2000, 0, true}, "not so many": {1999, 0, false},
		"large records": {1, 4 << 20, true}, "not so large": {1, 4<<20 - 1, false},
	} {
		s := segment{records: test.records}
		s.content.Write(make([]byte, test.bytes))
		if s.isFull() != test.full {
			t.Errorf("%s: %v", name, s.isFull())
		}
	}
}

// A segment that is cut off or holds too much ends in an error, with little memory.
func TestASegmentThatIsNotWhole(t *testing.T) {
	whole := segmentOf("a", "b", "c")
	for size := range len(whole) {
		var last error
		for _, err := range Decode(whole[:size]) {
			last = err
		}
		if last == nil {
			t.Errorf("%d bytes of %d are a segment", size, len(whole))
		}
	}
	squeeze := func(write func(w *gzip.Writer)) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		write(w)
		_ = w.Close()
		return b.Bytes()
	}
	lengths := func(key, rest uint64) []byte { return binary.AppendUvarint(binary.AppendUvarint(nil, key), rest) }
	for name, segment := range map[string][]byte{
		"a long key":    squeeze(func(w *gzip.Writer) { _, _ = w.Write(lengths(1<<62, 1)) }),
		"a long value":  squeeze(func(w *gzip.Writer) { _, _ = w.Write(lengths(2, 1<<62)) }),
		"both overflow": squeeze(func(w *gzip.Writer) { _, _ = w.Write(lengths(math.MaxUint64, math.MaxUint64)) }),
		"no size":       squeeze(func(w *gzip.Writer) { _, _ = w.Write([]byte{3}) }),
		"zeros":         squeeze(func(w *gzip.Writer) { _, _ = w.Write(make([]byte, 1<<20)) }),
		"no gzip":       []byte("{}"),
		"nothing":       nil,
	} {
		start, n := time.Now(), 0
		var last error
		for _, err := range Decode(segment) {
			last = err
			n++
		}
		if last == nil || n > 1 || time.Since(start) > time.Minute {
			t.Errorf("%s: %d records, %v, in %v", name, n, last, time.Since(start))
		}
	}
}

// A segment that is longer than its bound is no shorter one, even if a record ends there.
func TestASegmentThatIsTooLong(t *testing.T) {
	if testing.Short() {
		t.Skip("it unzips 272 MB")
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	const size, most = 16 << 20, maxSegment / (16 << 20)
	head := binary.AppendUvarint([]byte{1}, size-6)
	record := slices.Concat(head, []byte("a"), make([]byte, size-6))
	if len(record) != size {
		t.Fatalf("%d bytes", len(record))
	}
	for range most + 1 {
		_, _ = w.Write(record)
	}
	_ = w.Close()
	n := 0
	var last error
	for _, err := range Decode(b.Bytes()) {
		if last = err; err == nil {
			n++
		}
	}
	if n > most || last == nil {
		t.Errorf("%d records, %v", n, last)
	}
}
