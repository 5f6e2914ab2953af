package logs

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Terminal shows the lines of a log to a person. It is a writer for New.
type Terminal struct {
	Out io.Writer
	// Least is the lowest level that is shown. Above INFO there is one run, and its report is on the
	// screen: neither its ID nor its end is shown.
	Least slog.Level
}

// Write writes a line of JSON as a sentence, and anything else as it is.
func (t Terminal) Write(line []byte) (int, error) {
	sentence, ok := t.sentence(line)
	if !ok {
		sentence = string(line)
	}
	if _, err := io.WriteString(t.Out, sentence); err != nil {
		return 0, err
	}
	return len(line), nil
}

func (t Terminal) sentence(line []byte) (string, bool) {
	var level slog.Level
	var message, reason string
	var details []string
	err := text.Members(line, func(key []byte, raw json.RawMessage) error {
		name, value := string(key), string(raw)
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &value); err != nil {
				return err
			}
		}
		switch {
		case name == slog.TimeKey, value == "", name == "run" && t.Least > slog.LevelInfo:
		case name == slog.LevelKey:
			return level.UnmarshalText([]byte(value))
		case name == slog.MessageKey:
			message = value
		case name == "error", name == "reason":
			reason = ": " + value
		default:
			details = append(details, name+" "+value)
		}
		return nil
	})
	if err != nil {
		return "", false
	}
	if level < t.Least || message == "run finished" && t.Least > slog.LevelInfo {
		return "", true
	}
	// A progress bar may stand on this line.
	const clearLine = "\r\x1b[K"
	s := "mediasweep: "
	switch {
	case level >= slog.LevelError:
		s += "error: "
	case level >= slog.LevelWarn:
		s += "warning: "
	}
	s += message
	if len(details) > 0 {
		s += " (" + strings.Join(details, ", ") + ")"
	}
	return clearLine + text.Line(s+reason) + "\n", true
}
