package policy

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Every character beyond ASCII that does not print, and every dash and full-width
// punctuation mark, is odd between two letters. What it looks like is ASCII.
func TestEveryRuneIsOddOrPrints(t *testing.T) {
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
			continue
		}
		list := oddRunes("a" + string(r) + "b")
		fullWidth := r >= '！' && r <= '～' && unicode.IsPunct(r)
		if len(list) == 0 && (!unicode.IsPrint(r) || fullWidth || unicode.Is(unicode.Pd, r)) {
			t.Errorf("U+%04X is not odd", r)
		}
		for _, o := range list {
			if want, _ := utf8.DecodeRuneInString(o.want); o.want != string(o.r) && want > unicode.MaxASCII && o.want != "" {
				t.Errorf("U+%04X looks like %q", r, o.want)
			}
		}
	}
}

// ASCII is never odd, and of the accents apart from their letter all are.
func TestOddRanges(t *testing.T) {
	for r := range rune(0x400) {
		if want := r >= 0x300 && r <= 0x36F; (oddRune(0, r).is != "") != want && (r <= unicode.MaxASCII || r >= 0x2FF && r <= 0x370) {
			t.Errorf("U+%04X is odd: %v", r, !want)
		}
	}
}

// FuzzOdd: warnings of any value are one printable, bounded line each, and do not show
// an odd character.
func FuzzOdd(f *testing.F) {
	for _, seed := range []string{"legal\u2010hold", "leg\u0430l", "a：b，c", "\ufeff", "%\u200b%", "^x^", "a*", strings.Repeat("é\u0301", 200), "/a/../b", " ", "\uFFFD", "0\u01C0*"} {
		f.Add(seed)
	}
	fuzztest.Fuzz(f, func(t *testing.T, value string) {
		if !utf8.ValidString(value) {
			return
		}
		list := append(oddTag(value), oddTagPrefix(value, "a day", "2027-01-31")...)
		if glob, err := ParseGlob("oss://media-in/" + value); err == nil {
			list = append(list, oddGlob(glob)...)
		}
		if program, err := parseTitle(value); err == nil {
			list = append(list, oddTitle(value, program)...)
		}
		for _, message := range list {
			if text.Line(message) != message || len(message) > text.MaxMessage {
				t.Errorf("%q: %q", value, message)
			}
			if strings.ContainsFunc(message, func(r rune) bool { return r != '\u200C' && r != '\u200D' && oddRune('a', r).is != "" }) {
				t.Errorf("%q shows an odd character: %q", value, message)
			}
		}
	})
}
