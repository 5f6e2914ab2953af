package handler

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/text"
)

func TestCaller(t *testing.T) {
	jwt := func(claims string) string {
		return "Bearer e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	const authenticated, holder = "a caller that the HTTP trigger authenticated", "a holder of MEDIASWEEP_HTTP_TOKEN"
	tests := []struct {
		name    string
		trigger authentication
		headers []string
		want    string
	}{
		{"JWT", byJWT, []string{jwt(`{"sub":"jens@example.com"}`)}, "jens@example.com"},
		{"JWT, scheme in lower case", byJWT, []string{strings.Replace(jwt(`{"sub":"jens"}`), "Bearer", "bearer", 1)}, "jens"},
		{"JWT without a subject", byJWT, []string{jwt(`{}`)}, authenticated},
		{"JWT whose subject is no text", byJWT, []string{jwt(`{"sub":7}`)}, authenticated},
		{"JWT in two headers", byJWT, []string{jwt(`{"sub":"jens"}`), jwt(`{"sub":"eve"}`)}, authenticated},
		{"no JWT", byJWT, []string{"Bearer x"}, authenticated},
		{"JWT elsewhere", byJWT, nil, authenticated},
		{"a name for a basic trigger only", byJWT, []string{basic("eve:x")}, authenticated},
		{"basic", byBasic, []string{basic("jens:pass:word")}, "jens"},
		{"basic in two headers", byBasic, []string{basic("jens:x"), basic("eve:x")}, authenticated},
		{"basic in two headers, as an event of go1 has them", byBasic, []string{basic("eve:x") + "," + basic("jens:x")}, authenticated},
		{"a name for a JWT trigger only", byBasic, []string{jwt(`{"sub":"eve"}`)}, authenticated},
		{"signature", byFunction, []string{"ACS3-HMAC-SHA256 Credential=LTAI5tExample0123456789,Signature=0"}, "a signed request"},
		{"token", "", []string{jwt(`{"sub":"eve"}`)}, holder},
		{"anonymous", anonymous, []string{basic("eve:x")}, holder},
		{"a terminal's characters", byJWT, []string{jwt(`{"sub":"a\u001b[2J\nb"}`)}, `a\x1b[2J\nb`},
		{"a secret", byBasic, []string{basic("LTAI5tExample0123456789:x")}, text.Redacted},
		{"long", byBasic, []string{basic(strings.Repeat("é", 500) + ":x")}, strings.Repeat("é", 79) + "…"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{"Authorization": test.headers}
			if got := (access{trigger: test.trigger}).caller(h); got != test.want {
				t.Errorf("caller %q, want %q", got, test.want)
			}
		})
	}
}

// The header has the notes as in quotes, whatever they end with.
func TestNotesOfAList(t *testing.T) {
	w := httptest.NewRecorder()
	noteSkipped(w, []string{`"a" is no hold`, `nor is "媒"`})
	if got, want := w.Header().Get(notesHeader), `\"a\" is no hold; nor is \"\u5a92\"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
