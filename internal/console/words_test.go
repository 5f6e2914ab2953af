package console_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/mediasweep/mediasweep/internal/words"
)

// Every text of pages and documents has a translation.
func TestWordsAreTranslated(t *testing.T) {
	patterns := []*regexp.Regexp{
		regexp.MustCompile(`\bt "([^"]+)"`), regexp.MustCompile(`[sS]ay\("([^"]+)"`), regexp.MustCompile(`\btitle: +"([^"]+)"`), regexp.MustCompile(`answer\.title, answer\.status = "([^"]+)"`),
		regexp.MustCompile(`refuse\(r, "([^"]+)"`), regexp.MustCompile(`\tadd\("([^"]+)"`), regexp.MustCompile(`doc\.fact\("([^"]+)"`),
		regexp.MustCompile(`\bof\("([^"]+)"`), regexp.MustCompile(`joined\(lang, "([^"]+)"`), regexp.MustCompile(`says\(lang, "([^"]+)"`), regexp.MustCompile(`says\(lang, "[^"]+", "([^"]+)"`), regexp.MustCompile(`, "(%d[a-z]+)"}`),
	}
	found := 0
	for _, glob := range []string{"pages/*.html", "*.go", "../render/*.go", "../policy/*.go"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if ok, _ := filepath.Match("*_test.go", filepath.Base(file)); ok {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, pattern := range patterns {
				for _, match := range pattern.FindAllSubmatch(source, -1) {
					found++
					if english := string(match[1]); words.Chinese.Say(english) == english {
						t.Errorf("%s: %q has no translation", file, english)
					}
				}
			}
		}
	}
	if found < 150 {
		t.Errorf("only %d texts were found", found)
	}
}
