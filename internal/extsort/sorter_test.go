package extsort

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// few bytes make a Sorter of the tests write to its file.
const few = 100_000

// A Sorter yields what it was given, in order and as often as it is asked,
// whether it fits into memory or not; its file goes when it is closed.
func TestSorter(t *testing.T) {
	for name, records := range map[string]int{"nothing": 0, "one record": 1, "in memory": 500, "a file": 6000, "a file and a rest": 9700, "many pieces": 100_000} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			random := rand.New(rand.NewPCG(1, uint64(records)))
			text := func(n int) []byte { return fmt.Appendf(bytes.Repeat([]byte{byte(n)}, 80), "%d\n", n) }
			s := Sorter{most: few}
			for _, n := range random.Perm(records) {
				if err := s.Add(fmt.Sprintf("%08d", n), text(n)); err != nil {
					t.Fatal(err)
				}
			}
			if s.Len() != records || len(s.memory.bytes) > few || (len(s.pieces) > 0) != (records*100 > few) || len(s.pieces) > fanIn+records/1000/fanIn {
				t.Errorf("%d records, %d bytes in memory, %d pieces", s.Len(), len(s.memory.bytes), len(s.pieces))
			}
			for range 2 {
				next := 0
				for r, err := range s.All() {
					if err != nil {
						t.Fatal(err)
					}
					if r.Name != fmt.Sprintf("%08d", next) || !bytes.Equal(r.Rest, text(next)) {
						t.Fatalf("record %d is %s", next, r.Name)
					}
					next++
				}
				if next != records {
					t.Errorf("%d records of %d", next, records)
				}
			}
			s.Close()
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// A file is compressed.
func TestCompression(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := Sorter{most: few}
	defer s.Close()
	const records = 20_000
	for n := range records {
		if err := s.Add(fmt.Sprintf("%08d", n), bytes.Repeat([]byte("x"), 100)); err != nil {
			t.Fatal(err)
		}
	}
	if s.end > records*10 {
		t.Errorf("%d records take %d bytes", records, s.end)
	}
}

// Records of one name come in the order in which they were added, from memory and from
// the file.
func TestRecordsOfOneName(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := Sorter{most: few}
	defer s.Close()
	const records = 300_000 // more pieces than are read at once
	for n := range records {
		if err := s.Add(fmt.Sprint(n%3), fmt.Appendf(nil, "%030d", n)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.pieces) < 2 || s.pieces[0].level == 0 {
		t.Fatalf("%d pieces", len(s.pieces))
	}
	n, last := 0, ""
	for r, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		if now := r.Name + string(r.Rest); now <= last {
			t.Fatalf("%s comes after %s", now, last)
		} else {
			last = now
		}
		n++
	}
	if n != records {
		t.Errorf("%d records", n)
	}
}

// A Sorter whose file was cut returns an error, wherever that is.
func TestCutFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := Sorter{most: few}
	defer s.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 1500 {
		if err := s.Add(fmt.Sprintf("%08d", n), fmt.Appendf(nil, "%0100d", random.Uint64())); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.finish(0); err != nil {
		t.Fatal(err)
	}
	for size := s.end - 1; size >= 0; size -= 7 {
		if err := s.file.Truncate(size); err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range s.All() {
			last = err
		}
		if !errors.Is(last, ErrFile) {
			t.Fatalf("%d of %d bytes are taken for all: %v", size, s.end, last)
		}
	}
}

// Records that come nearly in order make one piece. Those of one name keep their order.
func TestNearlyInOrder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, test := range map[string]struct {
		of     func(n int) int // the n-th record that is added
		pieces int
	}{
		"in_order":          {func(n int) int { return n }, 1},
		"blocks_reversed":   {func(n int) int { return n ^ 63 }, 1},
		"two_runs":          {func(n int) int { return (n + 12_800) % 25_600 }, 3}, // one for where they meet
		"a_straggler":       {func(n int) int { return (n + 1) % 25_600 }, 1},
		"one_name_for_many": {func(n int) int { return n / 5000 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := Sorter{most: few}
			defer s.Close()
			for n := range 25_600 {
				if err := s.Add(fmt.Sprintf("%08d", test.of(n)), fmt.Appendf(nil, "%08d", n)); err != nil {
					t.Fatal(err)
				}
			}
			n, last := 0, ""
			for r, err := range s.All() {
				if err != nil {
					t.Fatal(err)
				}
				if now := r.Name + string(r.Rest); now <= last {
					t.Fatalf("%s comes after %s", now, last)
				} else {
					last = now
				}
				n++
			}
			if n != 25_600 || len(s.pieces) != test.pieces {
				t.Errorf("%d records in %d pieces, want 25600 in %d", n, len(s.pieces), test.pieces)
			}
		})
	}
}

// A record that is longer than any buffer comes back.
func TestLongRecord(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := Sorter{most: few}
	defer s.Close()
	random := rand.New(rand.NewPCG(1, 1))
	long := make([]byte, 10*few)
	for i := range long {
		long[i] = byte(random.Uint32())
	}
	for _, name := range []string{"b", "a", "c"} {
		if err := s.Add(name, append([]byte(name), long...)); err != nil {
			t.Fatal(err)
		}
	}
	var names string
	for r, err := range s.All() {
		if err != nil || !bytes.Equal(r.Rest, append([]byte(r.Name), long...)) {
			t.Fatalf("%s: %d bytes, %v", r.Name, len(r.Rest), err)
		}
		names += r.Name
	}
	if names != "abc" {
		t.Errorf("names %s", names)
	}
}

// Undo drops what came after Mark, in memory and in the file.
func TestUndo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, n := range []int{0, 1, 1000, 3000, 200_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := Sorter{most: few}
			defer s.Close()
			add := func(prefix string, n int) {
				for i := range n {
					if err := s.Add(fmt.Sprintf("%s%08d", prefix, i*7919%max(n, 1)), nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, kept := range []string{"b", "a"} { // the first may fill the last piece half
				add(kept, 3000)
				if err := s.Mark(); err != nil {
					t.Fatal(err)
				}
				add("dropped", n)
				s.Undo()
			}
			add("c", 3000)
			got, last := 0, ""
			for r, err := range s.All() {
				if err != nil || strings.HasPrefix(r.Name, "dropped") || r.Name <= last {
					t.Fatalf("%s after %s: %v", r.Name, last, err)
				}
				got, last = got+1, r.Name
			}
			if got != 9000 || s.Len() != 9000 {
				t.Errorf("%d records of %d, want 9000", got, s.Len())
			}
		})
	}
}
