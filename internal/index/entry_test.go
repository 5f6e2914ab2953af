package index_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/mediasweep/mediasweep/internal/index"
)

// segments writes entries, and returns the segments and the first name of each.
func segments(t testing.TB, entries []index.Entry) (list [][]byte, firsts []string) {
	t.Helper()
	w := index.NewWriter(func(first string, segment []byte) error {
		list, firsts = append(list, segment), append(firsts, first)
		return nil
	})
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return list, firsts
}

func library(n int) []index.Entry {
	rng := rand.New(rand.NewPCG(1, 2))
	entries := make([]index.Entry, n)
	for i := range entries {
		e := &entries[i]
		e.Name = fmt.Sprintf("media-in/clips/%04d/%08x-%07d.mp4", i/100, i/7, i)
		e.Modified = 1_700_000_000 + rng.Int64N(100_000_000)
		switch {
		case i%9 == 0:
		case i%50 == 1:
			e.Medium, e.Due = true, index.Never
		case i%20 == 2:
			e.Medium = true // and due at once
		default:
			e.Medium, e.Due = true, e.Modified+180*86400
		}
	}
	return entries
}

func TestEntriesComeBack(t *testing.T) {
	for _, n := range []int{0, 1, index.SegmentEntries, index.SegmentEntries + 1, 120_000} {
		entries := library(n)
		var got []index.Entry
		list, firsts := segments(t, entries)
		for i, segment := range list {
			at := len(got)
			for e, err := range index.Entries(segment) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e)
			}
			if firsts[i] != got[at].Name || len(got)-at > index.SegmentEntries {
				t.Errorf("segment %d starts with %s and has %d entries", i, firsts[i], len(got)-at)
			}
		}
		if len(got) != n || n > 0 && !reflect.DeepEqual(got, entries) {
			t.Errorf("%d of %d entries come back", len(got), n)
		}
	}
}

// A segment that is cut off or damaged is an error, and never more entries.
func TestDamagedSegments(t *testing.T) {
	list, _ := segments(t, library(1000))
	segment := list[0]
	for _, damaged := range [][]byte{segment[:len(segment)/2], segment[:5], nil, []byte("x"), bytes.Replace(segment, segment[40:44], []byte("abcd"), 1)} {
		var last error
		n := 0
		for _, err := range index.Entries(damaged) {
			n++
			last = err
		}
		if last == nil {
			t.Errorf("%d bytes are read as %d entries", len(damaged), n)
		}
	}
}

// A segment in which a bit has flipped yields nothing that is not so.
func TestASegmentThatIsDamaged(t *testing.T) {
	var segment []byte
	w := index.NewWriter(func(_ string, s []byte) error { segment = s; return nil })
	for i := range 400 {
		if err := w.Add(index.Entry{Name: fmt.Sprintf("b/%05d.mp4", i), Modified: 1_700_000_000, Medium: true, Due: int64(1_700_000_000 + i*7919)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for at := 10; at < len(segment); at++ { // a header's bits say nothing of what it holds
		damaged := bytes.Clone(segment)
		damaged[at] ^= 1 << (at % 8)
		i := 0
		for e, err := range index.Entries(damaged) {
			if err == nil && e.Due != int64(1_700_000_000+i*7919) { // there are bits that say nothing
				t.Fatalf("byte %d: %+v", at, e)
			}
			i++
		}
	}
}

func FuzzEntries(f *testing.F) {
	list, _ := segments(f, library(20))
	f.Add(list[0])
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		for _, err := range index.Entries(data) {
			if n++; err != nil || n > 1<<20 {
				break
			}
		}
	})
}

// BenchmarkIndex tells what an entry weighs and how fast it is written and read.
func BenchmarkIndex(b *testing.B) {
	entries := library(1_000_000)
	bytesOf := 0
	for b.Loop() {
		list, _ := segments(b, entries)
		bytesOf = 0
		for _, segment := range list {
			bytesOf += len(segment)
			for _, err := range index.Entries(segment) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(float64(bytesOf)/float64(len(entries)), "bytes/entry")
	b.ReportMetric(float64(len(entries))*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
