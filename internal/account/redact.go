package account

import (
	"regexp"
	"slices"

	"github.com/mediasweep/mediasweep/internal/text"
)

const (
	// maxMessage bounds what is passed on of a service's message, in bytes.
	maxMessage = 400
	// maxSearched bounds what is searched for secrets, in bytes. What follows is dropped.
	maxSearched = 16 << 10
	// window is the least part of a secret that is removed, in bytes: a message may be cut. Codes and
	// words of messages must not be taken for parts.
	window = 12
)

// patterns find what a service's message may show of credentials, beside text.Secrets.
var patterns = []text.Pattern{
	{Find: regexp.MustCompile(`(?is)(?:server )?string to sign is:.*`), Label: "(string to sign removed)"},
	{Find: regexp.MustCompile(`(?i)https?://[^\s"'<>]*`), Label: "(address removed)"},
	{Find: regexp.MustCompile(`[\w.-]+=[^\s&]*(?:&[\w.-]+=[^\s&]*)+`), Label: "(query removed)"},
	{Find: regexp.MustCompile(`\b[0-9A-Fa-f]{40,}\b`), Label: text.Redacted}, // a signature; a media ID has 32
	{Find: regexp.MustCompile(`[A-Za-z0-9+/]{27}=`), Label: text.Redacted},   // of HMAC-SHA1, in base64
}

// Redact returns a message that may be shown: without the credentials, or any window of one,
// without what looks like others' credentials, and without addresses. They are found in
// whatever escapes they travel.
func (c Credentials) Redact(message string) string { return redact(message, c) }

func redact(message string, all ...Credentials) string {
	if len(message) > maxSearched {
		message = message[:maxSearched]
	}
	secrets := windows{}
	for _, c := range all {
		for _, secret := range []string{c.SecurityToken, c.AccessKeySecret, c.AccessKeyID} {
			for plain := range text.Unescaped(secret) {
				secrets.add(lowerASCII(plain))
			}
		}
	}
	return text.BoundTo(text.Replace(message, text.Search(message, secrets.search)), maxMessage)
}

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
func (w windows) search(plain string) (found []text.Span) {
	lower := lowerASCII(plain)
	for size, parts := range w {
		for at := size; at <= len(lower); at++ {
			if parts[lower[at-size:at]] {
				found = append(found, text.Span{From: at - size, To: at, Label: text.Redacted})
			}
		}
	}
	for _, p := range patterns {
		found = append(found, p.In(plain)...)
	}
	return slices.Concat(found, text.Secrets(plain))
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
