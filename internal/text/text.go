// Package text quotes and bounds foreign values for people, and parses decimal numbers. It is pure.
package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxValue bounds a value that a message quotes, in characters.
	MaxValue = 80
	// MaxMessage bounds a message in a report, an answer or a log line, in bytes.
	MaxMessage = 2 << 10
	// lookahead is the number of bytes behind the shown part of a value in which Quote recognizes a credential.
	lookahead = 256
	// MaxListed bounds the lines of a list in a report or an answer.
	MaxListed = 20
)

// Quote returns a value in quotes for a message: at most MaxValue characters, with
// whatever a terminal would act on escaped, and without what looks like a credential.
func Quote(value string) string {
	shown, mark := short(value)
	return strconv.Quote(shown) + mark
}

// Name is Quote without the quotes: a value of at most MaxValue characters on one line.
func Name(value string) string {
	shown, mark := short(value)
	name := Line(shown) + mark
	if _, more := cut(name, MaxValue); more {
		name, _ = cut(name, MaxValue-1)
		name += "…"
	}
	return name
}

// short returns the first MaxValue characters of a value without what looks like a credential. The
// mark is not empty if characters are missing.
func short(value string) (shown, mark string) {
	shown, more := cut(value, MaxValue)
	if more {
		mark = "…"
	}
	searched := value[:min(len(value), len(shown)+lookahead)]
	var hidden []Span
	for _, secret := range Search(searched, Secrets) {
		if secret.From < len(shown) {
			secret.To = min(secret.To, len(shown))
			hidden = append(hidden, secret)
		}
	}
	return Replace(shown, hidden), mark
}

// cut returns the first characters of a value, and whether there are more.
func cut(value string, characters int) (first string, more bool) {
	for at := range value {
		if characters == 0 {
			return value[:at], true
		}
		characters--
	}
	return value, false
}

// Bound cuts a message to MaxMessage bytes, at a character's border.
func Bound(message string) string { return BoundTo(message, MaxMessage) }

// BoundTo cuts a message to a number of bytes, at a character's border.
func BoundTo(message string, most int) string {
	const mark = " …"
	if len(message) <= most {
		return message
	}
	end := most - len(mark)
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + mark
}

// Strings returns texts of a type of their own as strings.
func Strings[T ~string](texts []T) []string {
	list := make([]string, len(texts))
	for i, one := range texts {
		list[i] = string(one)
	}
	return list
}

// First returns the first MaxListed lines, and a last one that counts the rest of a kind.
func First(lines []string, kind string) []string {
	if rest := len(lines) - MaxListed; rest > 0 {
		return append(slices.Clone(lines[:MaxListed]), fmt.Sprintf("%d more %s", rest, kind))
	}
	return lines
}

// Printable escapes what a terminal would act on: control characters, among them
// those of ISO 6429 (C1), characters that change the direction of writing, and
// bytes that are not UTF-8. Line feeds stay.
func Printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unprintable(r):
			escaped := strconv.QuoteRuneToASCII(r)
			b.WriteString(escaped[1 : len(escaped)-1])
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// Line is Printable for a value that must stay on its line: line feeds are escaped too.
func Line(s string) string { return strings.ReplaceAll(Printable(s), "\n", `\n`) }

func unprintable(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }

// Decimal reads a plain decimal number: digits, without a sign, a leading zero, an
// underscore or another base.
func Decimal(s string) (int64, error) {
	plain := s != "" && isDigits(s) && (s == "0" || s[0] != '0')
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case !plain:
		return 0, fmt.Errorf("%s is not a plain decimal number such as 30", Quote(s))
	case err != nil:
		return 0, fmt.Errorf("%s is too large: the largest number is %d", Quote(s), int64(1<<63-1))
	}
	return n, nil
}

// durationForm is the form of time.ParseDuration without signs, leading zeros, and
// numbers that start or end with a point.
var durationForm = regexp.MustCompile(`^(?:(?:0|[1-9]\d*)(?:\.\d+)?(?:h|m|s|ms|µs|ns))+$`)

// Duration reads plain decimal numbers with units, such as 90s or 1h30m.
func Duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || !durationForm.MatchString(s) {
		return 0, fmt.Errorf("%s is not a duration: write plain decimal numbers with h, m and s, such as 90s or 1h30m", Quote(s))
	}
	return d, nil
}

func isDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// Fraction reads a plain decimal number with at most places digits after its point, such
// as 32.3. The result is in units of the last place.
func Fraction(s string, places int) (int64, error) {
	whole, part, pointed := strings.Cut(s, ".")
	plain := isDigits(whole) && isDigits(part) && whole != "" && (whole == "0" || whole[0] != '0') && pointed == (part != "")
	switch {
	case !plain:
		return 0, fmt.Errorf("%s is not a plain decimal number such as 32.3", Quote(s))
	case len(part) > places:
		return 0, fmt.Errorf("%s has more than %d digits after its point", Quote(s), places)
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", places-len(part)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is too large", Quote(s))
	}
	return n, nil
}

// ErrNotText says that a JSON value is something else than a text.
var ErrNotText = errors.New("a text is expected")

// OfJSON reads a JSON text byte for byte. It refuses a text that encoding/json would mend:
// it replaces what is not Unicode by U+FFFD, and the result would be another name.
func OfJSON(value []byte) (string, error) {
	if size := len(value); size >= 2 && value[0] == '"' && value[size-1] == '"' && isPlain(value[1:size-1]) {
		return string(value[1 : size-1]), nil
	}
	var s *string
	if len(value) == 0 || json.Unmarshal(value, &s) != nil || s == nil { // a record lacks many of its fields
		return "", ErrNotText
	}
	mark := string(utf8.RuneError)
	if strings.Contains(*s, mark) && strings.Count(*s, mark) != marks(value) {
		return "", errors.New("the text is not Unicode")
	}
	return *s, nil
}

// isPlain reports whether a text stands in JSON as it is: nearly all do, and are quick to read.
func isPlain(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.Valid(s)
}

// marks counts the characters U+FFFD that a JSON text has itself.
func marks(value []byte) int {
	escapes := bytes.ToLower(bytes.ReplaceAll(value, []byte(`\\`), nil))
	return bytes.Count(value, []byte(string(utf8.RuneError))) + bytes.Count(escapes, []byte(`\ufffd`))
}
