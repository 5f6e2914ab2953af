package trigger

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/text"
)

// A short plain value is shown as it is. Another one is quoted, as all of it would be.
func TestQuote(t *testing.T) {
	for _, value := range []string{"null", "true", strings.Repeat("7", 19)} {
		if got := quote(json.RawMessage(value)); got != value {
			t.Errorf("%s is shown as %s", value, got)
		}
	}
	for _, value := range []string{strings.Repeat("7", 20), `{}`, `["` + strings.Repeat("片", 3*text.MaxValue) + `"]`, `["` + strings.Repeat("\U0001F3AC", 3*text.MaxValue) + `"]`} {
		if got, want := quote(json.RawMessage(value)), text.Quote(value); got != want {
			t.Errorf("%.40s is shown as %s, want %s", value, got, want)
		}
	}
	if got := quote(json.RawMessage(`"a\u0062"`)); got != `"ab"` {
		t.Errorf("a text is shown as %s", got)
	}
}
