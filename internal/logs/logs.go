// Package logs writes the program's log: one JSON object a line, short enough for Function
// Compute, with nothing in it on which a terminal would act. New is its one way in.
package logs

import (
	"encoding/json"
	"io"
	"log/slog"

	"github.com/mediasweep/mediasweep/internal/text"
)

// MaxLine bounds a line, in bytes. Source: FC, "Limits": a longer line of a log is cut. It holds for
// lines of up to seven values: each has up to text.MaxMessage bytes, and twice that in JSON.
const MaxLine = 32 << 10

// New returns a logger that writes to w. It bounds every value, and escapes what a terminal would
// act on.
func New(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: bounded}))
}

func bounded(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(shown(a.Value.String()))
	case slog.KindAny:
		value := a.Value.Any()
		if err, ok := value.(error); ok {
			a.Value = slog.StringValue(shown(err.Error()))
			break
		}
		// What is short and plain stays a value, such as a report's counts.
		written, err := json.Marshal(value)
		if plain := string(written); err != nil || shown(plain) != plain {
			a.Value = slog.StringValue(shown(plain))
		}
	default: // numbers, times, and groups, whose members come by themselves
	}
	return a
}

// shown is bounded first, so that little is escaped of a long text, and then again.
func shown(s string) string { return text.Bound(text.Printable(text.Bound(s))) }
