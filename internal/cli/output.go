package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (c *Command) say(format string, args ...any) {
	fmt.Fprintln(c.Stderr, "mediasweep:", text.Printable(fmt.Sprintf(format, args...))) //nolint:errcheck // there is no other place to say it
}

func (c *Command) complain(err error) { c.say("%s", text.Bound(text.Printable(err.Error()))) }

// note writes further information about a result to stderr.
func (c *Command) note(notes ...string) {
	for _, one := range notes {
		c.say("note: %s", one)
	}
}

func (c *Command) print(b *strings.Builder) error {
	_, err := io.WriteString(c.Stdout, b.String())
	return failed(err)
}

// writeReport writes a report in the form that was asked for, and returns what
// the program is to exit with.
func (c *Command) writeReport(r *report.Report, output string) error {
	var err error
	if output == "table" {
		err = render.WriteReport(c.Stdout, r)
	} else {
		err = writeJSON(c.Stdout, r)
	}
	if err != nil {
		return exitError{exitFailed, fmt.Errorf("write the report: %w", err)}
	}
	return ending(r)
}

// ending returns the exit of a command that has written its result.
func ending(r *report.Report) error {
	if code := r.ExitCode(); code != exitOK {
		return exitError{code: code}
	}
	return nil
}

// write writes a result as JSON, as CSV or else as a table. A command without CSV has no writeCSV.
func write[T any](flags *functionFlags, b *strings.Builder, result T, writeTable func(*strings.Builder, T), writeCSV func(*render.CSV, T) error) error {
	switch flags.output {
	case "json":
		return writeJSON(b, result)
	case "csv":
		return writeCSV(flags.csv(b), result)
	}
	writeTable(b, result)
	return nil
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// missing says that the state store has no record of a name in a list (runs or plans), if that is the error.
func missing(list, name string, err error) error {
	if !errors.Is(err, state.ErrNotFound) {
		return err
	}
	if unreported, ok := errors.AsType[*runlog.UnreportedError](err); ok {
		return exitError{exitUsage, unreported}
	}
	const elsewhere = ", and --state names another store"
	return exitError{exitUsage, errors.New(trigger.NoSuch(strings.TrimSuffix(list, "s"), name, "mediasweep "+list+" lists the latest"+elsewhere, "mediasweep plan makes one"+elsewhere))}
}
