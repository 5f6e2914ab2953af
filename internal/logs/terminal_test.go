package logs_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/logs"
)

func TestTerminal(t *testing.T) {
	for _, test := range []struct {
		name  string
		least slog.Level
		log   func(*slog.Logger)
		want  string
	}{
		{"a warning with its reason", slog.LevelWarn, func(l *slog.Logger) {
			l.Warn("index not written", "run", "r1", "error", errors.New("timeout"))
		}, "mediasweep: warning: index not written: timeout\n"},
		{"an error of a server", slog.LevelInfo, func(l *slog.Logger) { l.Error("record damaged", "run", "r1", "record", "a") }, "mediasweep: error: record damaged (run r1, record a)\n"},
		{"an error", slog.LevelWarn, func(l *slog.Logger) { l.Error("record damaged") }, "mediasweep: error: record damaged\n"},
		{"less than a warning", slog.LevelWarn, func(l *slog.Logger) { l.Info("hold placed", "hold", "1") }, ""},
		{"the end of a run with a report", slog.LevelWarn, func(l *slog.Logger) { l.Error("run finished", "status", "failed") }, ""},
		{"the end of a run of a server", slog.LevelInfo, func(l *slog.Logger) {
			l.Error("run finished", "status", "failed", "plan", "", "counts", map[string]int{"looked": 3})
		}, "mediasweep: error: run finished (status failed, counts {\"looked\":3})\n"},
		{"what a terminal would act on", slog.LevelInfo, func(l *slog.Logger) { l.Info("x\x1b[2J\n", "key", "\u202e") }, `mediasweep: x\x1b[2J\n (key \u202e)` + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			test.log(logs.New(logs.Terminal{Out: &b, Least: test.least}))
			if got := strings.TrimPrefix(b.String(), "\r\x1b[K"); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// Lines of the platform, and whatever is no JSON, stay as they are.
func TestTerminalPassesOtherLines(t *testing.T) {
	for _, line := range []string{"FC Invoke Start RequestId: 1\n", "{\n", "[1]\n", `{"level":7}` + "\n", `{"msg":"a"` + "\n", "\n", ""} {
		var b bytes.Buffer
		if n, err := (logs.Terminal{Out: &b}).Write([]byte(line)); n != len(line) || err != nil || b.String() != line {
			t.Errorf("%q became %q, %d, %v", line, b.String(), n, err)
		}
	}
}
