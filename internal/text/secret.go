package text

import (
	"crypto/sha256"
	"crypto/subtle"
	"html"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Redacted takes the place of a secret.
const Redacted = "(redacted)"

// maxLayers bounds how often escapes are undone.
const maxLayers = 8

// Span is a part of a text, in bytes, and the label that takes its place.
type Span struct {
	From, To int
	Label    string
}

// Pattern finds parts of a text: the last group of each match, or all of a match without groups.
type Pattern struct {
	Find  *regexp.Regexp
	Label string
}

// In returns the parts that the pattern finds.
func (p Pattern) In(s string) (found []Span) {
	for _, match := range p.Find.FindAllStringSubmatchIndex(s, -1) {
		part := match[len(match)-2:]
		found = append(found, Span{part[0], part[1], p.Label})
	}
	return found
}

// secrets find credentials by their form, whoever owns them. A text without any of a pattern's words,
// in any case, has no match: most texts are quoted without a search.
var secrets = []struct {
	words []string
	find  *regexp.Regexp
}{
	// IDs of AccessKeys, and STS tokens.
	{[]string{"ltai", "sts.", "tmp.", "cais"}, regexp.MustCompile(`(?:LTAI|STS\.|TMP\.)[0-9A-Za-z]{8,}|CAIS[0-9A-Za-z+/=_-]{16,}`)},
	// What is called a secret, and what it contains if that has a name too.
	{[]string{"signature", "token", "secret", "password", "access", "credential"},
		regexp.MustCompile(`(?i)(?:signature|token|secret|password|access_?key_?id|credential)(?:[^\s:=]*|[ \w]{0,30})(?:=|:\s?)["']?((?:[^\s&"',]*[=:]\s?["']?)*[^\s&"',]+)`)},
	// Queries of signed addresses and of webhooks.
	{[]string{"expires=", "key=", "sig=", "sign="}, regexp.MustCompile(`(?i)(?:^|[\s?&;"'])(?:expires|key|sign?)=([^\s&"',]+)`)},
	// Webhooks whose token is in the path.
	{[]string{"hook"}, regexp.MustCompile(`(?i)https?://[^\s?#"']*?hook[^\s?#"'/]*/([^\s?#"']+)`)},
	// Passwords of addresses.
	{[]string{"@"}, regexp.MustCompile(`(?i)[a-z]://([^\s/?#"'@]+)@`)},
}

// secretSize is the length of an AccessKeySecret. It has letters and digits only.
const secretSize = 30

// keys returns the words of a text that look like an AccessKeySecret: of its length, with upper case, lower case
// and digits.
func keys(s string) (found []Span) {
	from, upper, lower, digit := 0, 0, 0, 0
	for at := range len(s) + 1 {
		var c byte
		if at < len(s) {
			c = s[at]
		}
		switch {
		case 'A' <= c && c <= 'Z':
			upper++
		case 'a' <= c && c <= 'z':
			lower++
		case '0' <= c && c <= '9':
			digit++
		default:
			if at-from == secretSize && upper > 0 && lower > 0 && digit > 0 {
				found = append(found, Span{from, at, Redacted})
			}
			from, upper, lower, digit = at+1, 0, 0, 0
		}
	}
	return found
}

// Secrets returns the parts of a text that look like credentials. It undoes no escapes; see Search.
func Secrets(s string) (found []Span) {
	found = keys(s)
	lower := strings.ToLower(s)
	for _, p := range secrets {
		if slices.ContainsFunc(p.words, func(word string) bool { return strings.Contains(lower, word) }) {
			found = append(found, Pattern{p.find, Redacted}.In(s)...)
		}
	}
	return found
}

// Search returns what find finds in a text, and in the text without its escapes, up to maxLayers deep.
func Search(s string, find func(plain string) []Span) (found []Span) {
	for l := range layers(s) {
		for _, part := range find(l.text) {
			found = append(found, Span{l.from[part.From], l.to[part.To-1], part.Label})
		}
	}
	return found
}

// Replace puts labels in the place of spans. Spans that overlap share the label of the first.
func Replace(s string, spans []Span) string {
	slices.SortStableFunc(spans, func(a, b Span) int { return a.From - b.From })
	var b strings.Builder
	at := 0
	for _, span := range spans {
		if span.From >= at {
			b.WriteString(s[at:span.From])
			b.WriteString(span.Label)
		}
		at = max(at, span.To)
	}
	b.WriteString(s[at:])
	return b.String()
}

// Unescaped yields a text, then the text without its escapes, up to maxLayers deep.
func Unescaped(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for l := range layers(s) {
			if !yield(l.text) {
				return
			}
		}
	}
}

// layer is a text after some of its escapes were undone. Byte i of it was written as
// bytes from[i] to to[i] of the original.
type layer struct {
	text     string
	from, to []int
}

func layers(s string) iter.Seq[layer] {
	return func(yield func(layer) bool) {
		l := layer{s, make([]int, len(s)), make([]int, len(s))}
		for i := range len(s) {
			l.from[i], l.to[i] = i, i+1
		}
		for range maxLayers {
			if !yield(l) {
				return
			}
			next := l.unescape()
			if len(next.text) == len(l.text) {
				return
			}
			l = next
		}
	}
}

// escape is an escape of an ASCII character: of a URL, of JSON and other literals, or an HTML entity.
var escape = regexp.MustCompile(`(?:%|\\x|[%\\]u00)([0-7][0-9A-Fa-f])|\\([/\\"'])|&#?\w{1,12};`)

// unescape undoes escapes once: those that come out of it are left for the next layer.
func (l layer) unescape() layer {
	if !strings.ContainsAny(l.text, `%\&`) {
		return l
	}
	var next layer
	var text strings.Builder
	keep := func(from, to int) {
		text.WriteString(l.text[from:to])
		next.from, next.to = append(next.from, l.from[from:to]...), append(next.to, l.to[from:to]...)
	}
	at := 0
	for _, match := range escape.FindAllStringSubmatchIndex(l.text, -1) {
		character := l.character(match)
		if len(character) != 1 || character[0] >= utf8.RuneSelf {
			continue
		}
		keep(at, match[0])
		text.WriteString(character)
		next.from, next.to = append(next.from, l.from[match[0]]), append(next.to, l.to[match[1]-1])
		at = match[1]
	}
	keep(at, len(l.text))
	next.text = text.String()
	return next
}

func (l layer) character(match []int) string {
	switch {
	case match[2] >= 0:
		code, _ := strconv.ParseUint(l.text[match[2]:match[3]], 16, 7) // two digits, the first below 8
		return string(rune(code))
	case match[4] >= 0:
		return l.text[match[4]:match[5]]
	}
	return html.UnescapeString(l.text[match[0]:match[1]])
}

// SameSecret compares two secrets. Its time depends on neither: it compares hashes, which have one length.
func SameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
