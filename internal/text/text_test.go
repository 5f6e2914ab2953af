package text_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/text"
)

func TestQuote(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"plain", "a b", `"a b"`},
		{"control characters", "a\x1b[31m\u009b\u202e\xff", `"a\x1b[31m\u009b\u202e\xff"`},
		{"eighty characters", strings.Repeat("é", 80), `"` + strings.Repeat("é", 80) + `"`},
		{"one more", strings.Repeat("é", 81), `"` + strings.Repeat("é", 80) + `"…`},
	}
	for _, test := range tests {
		if got := text.Quote(test.value); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestName(t *testing.T) {
	long := strings.Repeat("é", 80)
	tests := []struct{ name, value, want string }{
		{"plain", "jens@host", "jens@host"},
		{"quotes", `a "b"`, `a "b"`},
		{"eighty characters", long, long},
		{"one more", long + "é", strings.Repeat("é", 79) + "…"},
		{"escapes need more room", strings.Repeat("\n", 41), strings.Repeat(`\n`, 39) + `\` + "…"},
		{"a terminal", "a\x1b[2J\u202e\xff", `a\x1b[2J\u202e\xff`},
		{"an AccessKey", "by LTAI5tExample0123456789", "by (redacted)"},
		{"an AccessKey at the cut", strings.Repeat("a", 70) + " LTAI5tExample0123456789", strings.Repeat("a", 70) + " (redacte…"},
	}
	for _, test := range tests {
		if got := text.Name(test.value); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestFirst(t *testing.T) {
	lines := make([]string, text.MaxListed+2)
	if got := text.First(lines[:text.MaxListed], "lines"); len(got) != text.MaxListed {
		t.Errorf("%d lines of %d", len(got), text.MaxListed)
	}
	got := text.First(lines, "lines")
	if len(got) != text.MaxListed+1 || got[text.MaxListed] != "2 more lines" || lines[text.MaxListed] != "" {
		t.Errorf("%q", got)
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"nothing to escape", "视频 é\n\u00a0", "视频 é\n\u00a0"},
		{"a control sequence", "a\x1b]0;x\a\r\t\x7f", `a\x1b]0;x\a\r\t\x7f`},
		{"a C1 control sequence", "\u009b31m", `\u009b31m`},
		{"another direction", "a\u202eb\u2066", `a\u202eb\u2066`},
		{"not UTF-8", "a\xff\xefb", `a\xff\xefb`},
		{"the replacement character", "a\uFFFDb", "a\uFFFDb"},
	}
	for _, test := range tests {
		if got := text.Printable(test.value); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestLine(t *testing.T) {
	if got, want := text.Line("a\nb\x1b\r\n"), `a\nb\x1b\r\n`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[0m\u0085\u202e\xff\uFFFD")
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		got := text.Printable(s)
		if !utf8.ValidString(got) || text.Printable(got) != got {
			t.Errorf("%q becomes %q", s, got)
		}
		if bounded := text.Bound(s); len(bounded) > text.MaxMessage || utf8.ValidString(s) && !utf8.ValidString(bounded) {
			t.Errorf("Bound leaves %d bytes", len(bounded))
		}
	})
}

func TestDecimal(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "7": 7, "30": 30, "9223372036854775807": 1<<63 - 1} {
		if got, err := text.Decimal(s); err != nil || got != want {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "010", "00", "+7", "-7", "1_000", "0x10", "1e3", "7.0", " 7", "７", "9223372036854775808"} {
		if got, err := text.Decimal(s); err == nil {
			t.Errorf("%q: %d, want an error", s, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0.5ms": 500 * time.Microsecond} {
		if got, err := text.Duration(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "90", "090s", "-90s", "+90s", ".5s", "5.s", "1_0s", "1d", " 90s", "9999999999999h"} {
		if got, err := text.Duration(s); err == nil {
			t.Errorf("%q: %v, want an error", s, got)
		}
	}
}

func TestFraction(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "7": 7000, "32.3": 32300, "0.001": 1, "100.000": 100000, "9223372036854775.807": 1<<63 - 1} {
		if got, err := text.Fraction(s, 3); err != nil || got != want {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ".", ".5", "5.", "00.5", "010", "+7", "-7", "1_0.0", "0x1p4", "1e3", "1.2.3", "7,5", " 7", "７", "NaN", "Inf", "0.0001", "9223372036854775.808"} {
		if got, err := text.Fraction(s, 3); err == nil {
			t.Errorf("%q: %d, want an error", s, got)
		}
	}
}
