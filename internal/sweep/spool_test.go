package sweep

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// A spool hands over what it was given, in order and as often as it is asked,
// whether it fits into memory or not; its file goes when it is closed.
func TestSpool(t *testing.T) {
	for name, lines := range map[string]int{"nothing": 0, "one line": 1, "in memory": 500, "a file": 6000, "a file and a rest": 9700} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			random := rand.New(rand.NewPCG(1, uint64(lines)))
			text := func(n int) []byte { return fmt.Appendf(bytes.Repeat([]byte{byte(n)}, 2800), "%d\n", n) }
			var s spool
			for _, n := range random.Perm(lines) {
				if err := s.add(line{id: fmt.Sprintf("%08d", n), rule: "r", state: fmt.Sprint(n), created: int64(-n), decided: int64(n), text: text(n)}); err != nil {
					t.Fatal(err)
				}
			}
			if s.count != lines || s.bytes > spoolBytes || (len(s.runs) > 0) != (lines*2800 > spoolBytes) {
				t.Errorf("%d lines, %d bytes in memory, %d pieces", s.count, s.bytes, len(s.runs))
			}
			for range 2 {
				next := 0
				for l, err := range s.all() {
					if err != nil {
						t.Fatal(err)
					}
					if l.id != fmt.Sprintf("%08d", next) || l.decided != int64(next) || l.rule != "r" || l.created != int64(-next) || l.state != fmt.Sprint(next) || !bytes.Equal(l.text, text(next)) {
						t.Fatalf("line %d is %s", next, l.id)
					}
					next++
				}
				if next != lines {
					t.Errorf("%d lines of %d", next, lines)
				}
			}
			s.close()
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// A spool whose file is damaged says so, and does not end early.
func TestSpoolThatIsDamaged(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var s spool
	defer s.close()
	for n := range 4000 {
		if err := s.add(line{id: fmt.Sprintf("%08d", n), text: bytes.Repeat([]byte{'x'}, 2800)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.file.Truncate(s.end / 2); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.all() {
		if err != nil {
			return
		}
	}
	t.Error("half of the plan is taken for all of it")
}
