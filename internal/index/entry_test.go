package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
)

// segments writes entries.
func segments(entries []Entry) (list [][]byte, heads []segment) {
	w := newWriter(func(s segment, data []byte) { list, heads = append(list, data), append(heads, s) })
	for _, e := range entries {
		w.add(e)
	}
	w.flush()
	return list, heads
}

func library(n int) []Entry {
	rng := rand.New(rand.NewPCG(1, 2))
	entries := make([]Entry, n)
	for i := range entries {
		e := &entries[i]
		e.Found = 1_800_000_000
		e.Name = fmt.Sprintf("media-in/clips/%04d/%08x-%07d.mp4", i/100, i/7, i)
		e.Modified = 1_700_000_000 + rng.Int64N(100_000_000)
		switch {
		case i%9 == 0:
		case i%50 == 1:
			e.Medium, e.Due = true, Never
		case i%20 == 2:
			e.Medium = true // and due at once
		default:
			e.Medium, e.Due = true, e.Modified+180*86400
		}
	}
	return entries
}

func TestEntriesComeBack(t *testing.T) {
	for _, n := range []int{0, 1, segmentEntries, segmentEntries + 1, 2*segmentEntries + 1, 120_000} {
		entries := library(n)
		var got []Entry
		list, heads := segments(entries)
		for i, data := range list {
			part, err := new(scratch).decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if s := heads[i]; s.First != part[0].Name || s.Entries != len(part) || s.Newest != part[0].Found || len(part) > segmentEntries {
				t.Errorf("segment %d has %d entries from %s: %+v", i, len(part), part[0].Name, s)
			}
			got = append(got, part...)
		}
		if !slices.Equal(got, entries) {
			t.Errorf("%d of %d entries come back", len(got), n)
		}
	}
}

// A segment that was cut or changed has no entries that were not written.
func TestDamagedSegments(t *testing.T) {
	entries := library(400)
	list, _ := segments(entries)
	step := 1
	if testing.Short() {
		step = 7
	}
	for end := 0; end < len(list[0]); end += step {
		if got, err := new(scratch).decode(list[0][:end]); err == nil {
			t.Fatalf("%d of %d bytes are read as %d entries", end, len(list[0]), len(got))
		}
	}
	for at := range list[0] {
		damaged := bytes.Clone(list[0])
		damaged[at] ^= 1 << (at % 8)
		if got, err := new(scratch).decode(damaged); err == nil && !slices.Equal(got, entries) { // some bits have no meaning
			t.Fatalf("byte %d: %d other entries", at, len(got))
		}
	}
}

// FuzzEntries: what decode returns is written and read again unchanged.
func FuzzEntries(f *testing.F) {
	list, _ := segments(library(20))
	f.Add(list[0])
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		entries, err := new(scratch).decode(data)
		if err != nil || len(entries) > segmentEntries {
			return
		}
		list, _ := segments(entries)
		var again []Entry
		for _, data := range list {
			part, err := new(scratch).decode(data)
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, part...)
		}
		if !slices.Equal(again, entries) {
			t.Errorf("%+v, want %+v", again, entries)
		}
	})
}

// BenchmarkIndex measures the size of an entry, and how fast entries are written and read.
func BenchmarkIndex(b *testing.B) {
	entries := library(1_000_000)
	size := 0
	var reused scratch
	for b.Loop() {
		list, _ := segments(entries)
		size = 0
		for _, data := range list {
			size += len(data)
			if _, err := reused.decode(data); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size)/float64(len(entries)), "bytes/entry")
	b.ReportMetric(float64(len(entries))*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
