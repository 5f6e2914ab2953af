package account

import (
	"html"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxMessage bounds what is passed on of a service's message, in bytes.
	maxMessage = 400
	// maxSearched bounds what is searched for secrets, in bytes. What follows is dropped.
	maxSearched = 16 << 10
	// maxLayers bounds how often escapes are undone.
	maxLayers = 8
	// window is the least part of a secret that is removed, in bytes: a message may be cut. Codes and
	// words of messages must not be taken for parts.
	window = 12
)

const removed = "(redacted)"

// pattern finds what may be a credential, whoever's it is. Of a match it removes what its
// last group found, or all if it has none.
type pattern struct {
	find  *regexp.Regexp
	label string
}

var patterns = []pattern{
	{regexp.MustCompile(`(?is)(server )?string to sign is:.*`), "(string to sign removed)"},
	{regexp.MustCompile(`(?i)https?://[^\s"'<>]*`), "(address removed)"},
	{regexp.MustCompile(`[\w.-]+=[^\s&]*(?:&[\w.-]+=[^\s&]*)+`), "(query removed)"},
	{regexp.MustCompile(`(?i)(?:signature|token|accesskeyid|credential)(?:[^\s:=]*|[ \w]{0,30})(?:=|:\s?)([^\s&"',]+)`), removed},
	{regexp.MustCompile(`\b[0-9A-Fa-f]{40,}\b`), removed}, // a signature; a media ID has 32
	{regexp.MustCompile(`[A-Za-z0-9+/]{27}=`), removed},   // of HMAC-SHA1, in base64
}

// Redact returns a message that may be shown: without the credentials, or any window of one,
// without signatures, and without addresses, since a signed address is a credential itself. They are
// found in whatever escapes they travel, up to maxLayers deep.
func (c Credentials) Redact(message string) string { return redact(message, c) }

func redact(message string, all ...Credentials) string {
	if len(message) > maxSearched {
		message = message[:maxSearched]
	}
	secrets := windows{}
	for _, c := range all {
		for _, secret := range []string{c.SecurityToken, c.AccessKeySecret, c.AccessKeyID} {
			for layer := range layers(secret) {
				secrets.add(lowerASCII(layer.text))
			}
		}
	}
	var found []span
	for layer := range layers(message) {
		found = append(found, layer.search(secrets)...)
	}
	message = remove(message, found)
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return message
}

// span is a part of a message, and what takes its place.
type span struct {
	from, to int
	label    string
}

// remove replaces spans. Spans that overlap share the label of the first.
func remove(message string, spans []span) string {
	slices.SortStableFunc(spans, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	at := 0
	for _, s := range spans {
		if s.from >= at {
			b.WriteString(message[at:s.from])
			b.WriteString(s.label)
		}
		at = max(at, s.to)
	}
	b.WriteString(message[at:])
	return b.String()
}

// layer is a message after some of its escapes were undone. Byte i of the text was written as
// bytes from[i] to to[i] of the message.
type layer struct {
	text     string
	from, to []int
}

// layers yields a message as it is, then without its escapes, then without those that these had hidden.
func layers(message string) iter.Seq[layer] {
	return func(yield func(layer) bool) {
		l := layer{text: message}
		for i := range len(message) {
			l.from, l.to = append(l.from, i), append(l.to, i+1)
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

func (l layer) span(from, to int, label string) span { return span{l.from[from], l.to[to-1], label} }

// windows are the parts of secrets that are searched for, by their size.
type windows map[int]map[string]bool

func (w windows) add(secret string) {
	size := min(window, len(secret))
	if size == 0 {
		return
	}
	if w[size] == nil {
		w[size] = map[string]bool{}
	}
	for at := size; at <= len(secret); at++ {
		w[size][secret[at-size:at]] = true
	}
}

// search finds windows of secrets in any case, and what looks like a credential.
func (l layer) search(secrets windows) (found []span) {
	lower := lowerASCII(l.text)
	for size, parts := range secrets {
		for at := size; at <= len(lower); at++ {
			if parts[lower[at-size:at]] {
				found = append(found, l.span(at-size, at, removed))
			}
		}
	}
	for _, p := range patterns {
		for _, match := range p.find.FindAllStringSubmatchIndex(l.text, -1) {
			at := match[:2]
			if p.label == removed {
				at = match[len(match)-2:]
			}
			found = append(found, l.span(at[0], at[1], p.label))
		}
	}
	return found
}

func lowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

// escape is an escape of an ASCII character: of a URL, of JSON and other literals, or an HTML entity.
var escape = regexp.MustCompile(`(?:%|\\x|[%\\]u00)([0-7][0-9A-Fa-f])|\\([/\\"'])|&#?\w{1,12};`)

// unescape undoes escapes once: those that come out of it are left for the next layer.
func (l layer) unescape() layer {
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

// character returns the character of an escape that was found.
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
