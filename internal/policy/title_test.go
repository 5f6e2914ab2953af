package policy

import (
	"regexp"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
)

// FuzzCanMatch holds the answer against all texts of up to four of these letters. They
// are enough for every pattern of the seeds.
func FuzzCanMatch(f *testing.F) {
	for _, seed := range []string{`x`, `x$^`, `^x^`, `x\bx`, `x\b-`, `^$`, `(?m)x$^`, `(?m)x$\n^x`, `\Bx`, `-\Bx`, `[^\x00-\x{10FFFF}]`, `x$|^y`, `(x$)?y`, `\b\B`, `(?i)k\bſ`, `.\b\n`, `(?s).$^`, `^\b$`, `x\z.`, `é\bx`, `é\Bx`, `x|`, `(?m)^x*`, `x?$`, `^$|^`} {
		f.Add(seed)
	}
	texts := []string{""}
	for from, length := 0, 0; length < 4; length++ {
		to := len(texts)
		for _, start := range texts[from:to] {
			for _, letter := range []string{"x", "y", "k", "ſ", "é", "-", "\n"} {
				texts = append(texts, start+letter)
			}
		}
		from = to
	}
	fuzztest.Fuzz(f, func(t *testing.T, pattern string) {
		if len(pattern) > 20 {
			return
		}
		program, err := parseTitle(pattern)
		if err != nil {
			return
		}
		title, can := regexp.MustCompile(pattern), canMatch(program)
		if matchesAll(program) {
			for _, text := range texts {
				if !title.MatchString(text) {
					t.Fatalf("matchesAll(%q) is true, and it does not match %q", pattern, text)
				}
			}
		}
		for _, text := range texts {
			if title.MatchString(text) {
				if !can {
					t.Fatalf("canMatch(%q) is false, and it matches %q", pattern, text)
				}
				return
			}
		}
	})
}

func TestCanMatch(t *testing.T) {
	for pattern, want := range map[string]bool{
		`x`: true, `^$`: true, `(?m)x$\n^x`: true, `x$|^y`: true, `(x$)?y`: true, `x\b-`: true, `(?i)K\bſ`: true, `é\bx`: true,
		`x$^`: false, `^x^`: false, `(?m)x$^x`: false, `x\by`: false, `-\Bx`: false, `\b\B`: false, `[^\x00-\x{10FFFF}]`: false, `x\z.`: false, `^\b$`: false, `é\Bx`: false,
	} {
		program, err := parseTitle(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := canMatch(program); got != want {
			t.Errorf("canMatch(%q) = %v, want %v", pattern, got, want)
		}
	}
}

func TestMatchesAll(t *testing.T) {
	for pattern, want := range map[string]bool{
		`x|`: true, `x||y`: true, `(x|)`: true, `x*`: true, `.*`: true, `^`: true, `^x?`: true, `x*$`: true, `(?m)^x*`: true, `(?:)`: true, `x{0,3}`: true, `\b|\B`: true,
		`x`: false, `.`: false, `.+`: false, `^$`: false, `^x*$`: false, `\b`: false, `\b|x`: false, `[^x]`: false, `x|y`: false,
	} {
		program, err := parseTitle(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := matchesAll(program); got != want {
			t.Errorf("matchesAll(%q) = %v, want %v", pattern, got, want)
		}
	}
}
