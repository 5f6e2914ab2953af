package account_test

import (
	"encoding/json"
	"fmt"
	"html"
	"math/rand"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/fuzztest"
)

// each writes every character that is chosen in a form of its own.
func each(chosen func(byte) bool, form func(byte) string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			if chosen(s[i]) {
				b.WriteString(form(s[i]))
			} else {
				b.WriteByte(s[i])
			}
		}
		return b.String()
	}
}

func every(byte) bool     { return true }
func odd(c byte) bool     { return !strings.ContainsRune(alphanumeric, rune(c)) }
func isSlash(c byte) bool { return c == '/' }

func format(form string) func(byte) string {
	return func(c byte) string { return fmt.Sprintf(form, c) }
}

func unquoted(s string) string { return s[1 : len(s)-1] }

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

var named = map[byte]string{'+': "&plus;", '/': "&sol;", '=': "&equals;", '&': "&amp;", '%': "&percnt;", '<': "&lt;", ';': "&semi;", '#': "&num;"}

// encoders are the ways in which programs write a text into another.
var encoders = []struct {
	name   string
	encode func(string) string
}{
	{"query", url.QueryEscape},
	{"path", url.PathEscape},
	{"lower-case percent", each(odd, format("%%%02x"))},
	{"percent of all", each(every, format("%%%02X"))},
	{"HTML", html.EscapeString},
	{"HTML, decimal", each(odd, format("&#%d;"))},
	{"HTML, decimal with zeros", each(every, format("&#%04d;"))},
	{"HTML, hexadecimal", each(odd, format("&#x%x;"))},
	{"HTML, upper-case hexadecimal", each(odd, format("&#X%02X;"))},
	{"HTML, names", each(func(c byte) bool { return named[c] != "" }, func(c byte) string { return named[c] })},
	{"JSON", func(s string) string {
		b, _ := json.Marshal(s) // a text always marshals
		return unquoted(string(b))
	}},
	{"JSON, lower-case", each(odd, format(`\u%04x`))},
	{"JSON, upper-case", each(every, format(`\u%04X`))},
	{"JSON, slashes", each(isSlash, format(`\%c`))},
	{"quoted", func(s string) string { return unquoted(strconv.Quote(s)) }},
	{"hexadecimal escapes", each(odd, format(`\x%02x`))},
	{"as it is", func(s string) string { return s }},
}

var onlyLabels = regexp.MustCompile(`^the key (\([a-z ]+\))+ is wrong$`)

// TestRedactFindsSecretsInAnyEscapes writes random secrets by random chains of encoders: nothing of
// them is left, and all that stands around them is.
func TestRedactFindsSecretsInAnyEscapes(t *testing.T) {
	chance := rand.New(rand.NewSource(1))
	for range 5000 {
		secret := make([]byte, 16+chance.Intn(40))
		for i := range secret {
			secret[i] = (alphanumeric + alphanumeric + "+/=+/=-_.~&%;#<")[chance.Intn(2*len(alphanumeric)+15)]
		}
		written, chain := string(secret), []string{}
		for range chance.Intn(4) {
			encoder := encoders[chance.Intn(len(encoders))]
			written, chain = encoder.encode(written), append(chain, encoder.name)
		}
		c := []account.Credentials{{AccessKeyID: string(secret)}, {AccessKeySecret: string(secret)}, {SecurityToken: string(secret)}}[chance.Intn(3)]
		if got := c.Redact("the key " + written + " is wrong"); !onlyLabels.MatchString(got) {
			t.Fatalf("secret %q by %v, written %q: %q", secret, chain, written, got)
		}
		// Of a message that was cut, no window of twelve characters is left.
		from := chance.Intn(len(secret) - 12)
		part := string(secret[from : from+12+chance.Intn(len(secret)-from-11)])
		if got := c.Redact("the key " + part + " is"); strings.Contains(got, part[:12]) {
			t.Fatalf("part %q of secret %q: %q", part, secret, got)
		}
	}
}

func TestRedactFindsSignaturesInAnyEscapes(t *testing.T) {
	c := account.Credentials{AccessKeyID: "LTAI-id"}
	for _, encoder := range encoders {
		for _, again := range encoders {
			for _, text := range []string{
				"https://media-in.oss-cn-shanghai.aliyuncs.com/a?Signature=dead%2Bbeef",
				"Signature=deadbeef&Expires=1", "x-oss-security-token: deadbeef",
				"Zm9vYmFyZGVhZGJlZWYrLzEyMzQ=",
			} {
				got := c.Redact("it says: " + again.encode(encoder.encode(text)))
				for _, shown := range []string{"deadbeef", "beef", "aliyuncs", "Zm9v"} {
					if strings.Contains(got, shown) {
						t.Errorf("%s by %s, %s: %q", text, encoder.name, again.name, got)
					}
				}
			}
		}
	}
}

// TestRedactIsBounded gives it what a service must not slow a run down with: each takes
// milliseconds, and hours if the time grew with the square of the length.
func TestRedactIsBounded(t *testing.T) {
	c := account.Credentials{AccessKeyID: "LTAI5tKeyOfNobody", AccessKeySecret: strings.Repeat("s3cret", 5), SecurityToken: strings.Repeat("CAIStoken", 100)}
	for _, unit := range []string{"x", "%25", "&amp;", `\\`, "&", "%", ";", "&#x", `\u005c`, "a=b&", "token", "CAIStoken", "http://", "\xff"} {
		start := time.Now()
		got := c.Redact(strings.Repeat(unit, 8<<20/len(unit)))
		if took := time.Since(start); took > time.Minute || len(got) > 410 {
			t.Errorf("%q: %d bytes after %s", unit, len(got), took)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("id LTAI5tKeyOfNobody, &#43;&amp;#43; %252b \\u002B", "s3cr/et+=")
	f.Add("s3cr/et+\xffs3cr/et+"+strings.Repeat(" long", 100), "s3cr/et+s3cr/et+") // no part of a message is joined to another
	fuzztest.Fuzz(f, func(t *testing.T, message, secret string) {
		c := account.Credentials{AccessKeySecret: secret}
		got := c.Redact(message)
		if len(secret) >= 16 && !strings.ContainsAny(secret, `%&;\`) && strings.Contains(got, secret) {
			t.Errorf("%q shows %q", got, secret)
		}
		if len(got) > 400 {
			t.Errorf("%d bytes", len(got))
		}
	})
}
