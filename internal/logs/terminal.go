package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	d := json.NewDecoder(bytes.NewReader(line))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "", false
	}
	var level slog.Level
	var message, reason string
	var details []string
	for d.More() {
		name, err := d.Token()
		var raw json.RawMessage
		if err != nil || d.Decode(&raw) != nil {
			return "", false
		}
		value := string(raw)
		if raw[0] == '"' && json.Unmarshal(raw, &value) != nil {
			return "", false
		}
		switch {
		case name == slog.TimeKey, value == "", name == "run" && t.Least > slog.LevelInfo:
		case name == slog.LevelKey && level.UnmarshalText([]byte(value)) != nil:
			return "", false
		case name == slog.LevelKey:
		case name == slog.MessageKey:
			message = value
		case name == "error", name == "reason":
			reason = ": " + value
		default:
			details = append(details, fmt.Sprint(name, " ", value))
		}
	}
	if _, err := d.Token(); err != nil {
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
