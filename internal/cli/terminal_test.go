package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/text"
)

func TestScreen(t *testing.T) {
	const hostile = "视频,\x1b[2J\u009b31m\u202eevil\u2066\r\t\x7f\xff\xe8\xa7\n"
	for size := 1; size <= len(hostile); size++ {
		var b bytes.Buffer
		w := &screen{terminal: &b}
		for rest := hostile; rest != ""; {
			n := min(size, len(rest))
			if wrote, err := w.Write([]byte(rest[:n])); err != nil || wrote != n {
				t.Fatalf("%d, %v", wrote, err)
			}
			rest = rest[n:]
		}
		if got, want := b.String(), text.Printable(hostile); got != want {
			t.Errorf("in pieces of %d: %q, want %q", size, got, want)
		}
	}
}

func FuzzScreen(f *testing.F) {
	f.Add("a\u009b\xe8", "\xa7")
	fuzztest.Fuzz(f, func(t *testing.T, first, second string) {
		var b bytes.Buffer
		w := &screen{terminal: &b}
		for _, part := range []string{first, second, "\n"} {
			if _, err := w.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.String(); got != text.Printable(got) || strings.Count(got, "\n") != strings.Count(first+second, "\n")+1 {
			t.Errorf("%q", got)
		}
	})
}

func TestFilesGetEveryByte(t *testing.T) {
	var b bytes.Buffer
	if shown(&b) != &b {
		t.Error("what is no terminal is escaped")
	}
}
