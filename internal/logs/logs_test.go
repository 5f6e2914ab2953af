package logs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/logs"
	"github.com/mediasweep/mediasweep/internal/text"
)

func TestLinesAreBoundedAndPlain(t *testing.T) {
	for _, unit := range []string{"x", `"`, `\`, "\x1b", "\n", "\u009b", "\u202e", "\u2028", "\xff", "<", "视"} {
		long := strings.Repeat(unit, 1<<20)
		var b bytes.Buffer
		log := logs.New(&b).With("run", long)
		log.Error(long, "text", long, "error", errors.New(long), "value", []string{long}, slog.Group("group", "text", long)) //nolint:sloglint // messages of net/http are not constant
		line := b.String()
		var read struct{ Level, Msg, Run, Text, Error, Value string }
		if err := json.Unmarshal([]byte(line), &read); err != nil {
			t.Fatalf("%q: %v in %.100s", unit, err, line)
		}
		if len(line) > logs.MaxLine || strings.Count(line, "\n") != 1 || text.Printable(line) != line {
			t.Errorf("%q: a line of %d bytes: %.100q", unit, len(line), line)
		}
		for _, value := range []string{read.Msg, read.Run, read.Text, read.Error, read.Value} {
			if value == "" || len(value) > text.MaxMessage {
				t.Errorf("%q: a value has %d bytes", unit, len(value))
			}
		}
	}
}

func TestShortValuesStay(t *testing.T) {
	var b bytes.Buffer
	logs.New(&b).Info("run finished", "run", "r1", "counts", map[string]int{"looked": 3}, "seconds", 1.5, "error", fmt.Errorf("a: %w", errors.New("b")))
	got := b.String()
	if !strings.HasSuffix(got, `"level":"INFO","msg":"run finished","run":"r1","counts":{"looked":3},"seconds":1.5,"error":"a: b"}`+"\n") {
		t.Error(got)
	}
}
