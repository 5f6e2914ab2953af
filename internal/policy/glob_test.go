package policy

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/media"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		glob string
		yes  []string
		no   []string
	}{
		{"drafts/**", []string{"drafts/a", "drafts/a/b", "drafts/"}, []string{"drafts", "draft/a", "x/drafts/a"}},
		{"drafts/*", []string{"drafts/a", "drafts/"}, []string{"drafts/a/b"}},
		{"*.mp4", []string{"a.mp4", ".mp4"}, []string{"d/a.mp4", "a.mp4.txt"}},
		{"**.mp4", []string{"a.mp4", "d/a.mp4"}, []string{"a.mov"}},
		{"**/tmp/*", []string{"tmp/a", "x/tmp/a", "x/y/tmp/a"}, []string{"xtmp/a", "tmp/a/b"}},
		{"a/**/b", []string{"a/b", "a/x/b", "a/x/y/b"}, []string{"ab", "a/xb", "a/b/c"}},
		{"a**/b", []string{"a/b", "ax/b", "a/x/b"}, []string{"ab"}},
		{"**", []string{"a", "a/b/c"}, nil},
		{"a*b*c", []string{"abc", "aXbYc", "abbcc"}, []string{"aX/bc", "ab"}},
		{"**a*b**c*", []string{"xaxbxcx", "abc", "x/ab/c"}, []string{"a/b/c", "ab/c/d"}},
		{"why?[1]{2}", []string{"why?[1]{2}"}, []string{"whyx1 2"}},
		{"视频/*集", []string{"视频/第一集"}, []string{"视频/x/第一集"}},
	}
	for _, test := range tests {
		glob, err := ParseGlob("oss://media-in/" + test.glob)
		if err != nil {
			t.Errorf("ParseGlob(%q): %v", test.glob, err)
			continue
		}
		for _, key := range test.yes {
			if !glob.Match(&media.Object{Bucket: "media-in", Key: key}) {
				t.Errorf("%q does not match %q", test.glob, key)
			}
			if glob.Match(&media.Object{Bucket: "media-in2", Key: key}) {
				t.Errorf("%q matches %q of another bucket", test.glob, key)
			}
		}
		for _, key := range test.no {
			if glob.Match(&media.Object{Bucket: "media-in", Key: key}) {
				t.Errorf("%q matches %q", test.glob, key)
			}
		}
	}
}

// The literal start of a glob ends before its first star.
func TestLiteral(t *testing.T) {
	for glob, want := range map[string]struct {
		key   string
		whole bool
	}{"a/b": {"a/b", true}, "a/*": {"a/", false}, "**": {"", false}, "a**/b": {"a", false}} {
		g, err := ParseGlob("oss://media-in/" + glob)
		if err != nil {
			t.Fatal(err)
		}
		if start, whole := g.Literal(); start != (media.Object{Bucket: "media-in", Key: want.key}) || whole != want.whole {
			t.Errorf("%s: %s, whole %v", glob, start, whole)
		}
	}
}

func TestParseGlobRefuses(t *testing.T) {
	for _, s := range []string{"", "drafts/**", "oss://media-*/**", "oss://media-in", "oss://media-in/", "oss://media-in/a/", "oss://media-in/**/", "oss://media-in/a//", "s3://media-in/**"} {
		if g, err := ParseGlob(s); err == nil {
			t.Errorf("ParseGlob(%q) = %v, want an error", s, g)
		}
	}
}

// TestMeets holds the answer against all keys with up to five letters more than the
// prefix, which is enough for patterns of five.
func TestMeets(t *testing.T) {
	words := func(letters string, most int) []string {
		list, last := []string{""}, []string{""}
		for range most {
			var next []string
			for _, word := range last {
				for _, letter := range letters {
					next = append(next, word+string(letter))
				}
			}
			list, last = append(list, next...), next
		}
		return list
	}
	endings := words("ab/", 5)
	for _, pattern := range words("ab/*", 5) {
		glob, err := ParseGlob("oss://media-in/" + pattern)
		if err != nil {
			continue
		}
		for _, prefix := range words("ab/", 3) {
			want := false
			for _, ending := range endings {
				want = want || glob.Match(&media.Object{Bucket: "media-in", Key: prefix + ending})
			}
			if got := glob.Meets(media.Object{Bucket: "media-in", Key: prefix}); got != want {
				t.Errorf("%q meets %q: %v, want %v", pattern, prefix, got, want)
			}
		}
	}
}

// FuzzGlob holds the matcher against the same glob written as a regular
// expression.
func FuzzGlob(f *testing.F) {
	for _, seed := range []struct{ pattern, key string }{
		{"a/**/b", "a/x/b"}, {"**a*b**c*", "x/ab/c"}, {"**/x/**/*.mp4", "x/y/x/z.mp4"}, {"a*/**b*/c", "aa/b/bb/c"}, {"***/a", "b/a"},
	} {
		f.Add(seed.pattern, seed.key)
	}
	fuzztest.Fuzz(f, func(t *testing.T, pattern, key string) {
		if len(pattern) > 64 || len(key) > 256 || !utf8.ValidString(pattern) || !utf8.ValidString(key) {
			return
		}
		glob, err := ParseGlob("oss://media-in/" + pattern)
		if err != nil {
			return
		}
		if got, want := glob.Match(&media.Object{Bucket: "media-in", Key: key}), globAsRegexp(pattern).MatchString(key); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, key, got, want)
		}
	})
}

func globAsRegexp(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); {
		switch rest := pattern[i:]; {
		case strings.HasPrefix(rest, "**/") && (i == 0 || pattern[i-1] == '/'):
			b.WriteString(`(?:[^/]*/)*`)
			i += 3
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			i += 2
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			i++
		default:
			literal := len(rest)
			if star := strings.IndexByte(rest, '*'); star > 0 {
				literal = star
			}
			b.WriteString(regexp.QuoteMeta(rest[:literal]))
			i += literal
		}
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}
