package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/logs"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// isTerminal reports whether a person sees at once what is written to a stream, or types what is read.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// ask asks a person, and returns the line of the answer without the spaces around it. It is empty if the command is
// interrupted first.
func (c *Command) ask(ctx context.Context, question string, args ...any) string {
	fmt.Fprintf(c.Stderr, question, args...) //nolint:errcheck // there is no other place to ask
	answer, _ := task.Within(ctx, func() (string, error) { return bufio.NewReader(c.Stdin).ReadString('\n') })
	return strings.TrimSpace(answer)
}

// shown returns w for results. Where it is a terminal, what the terminal would act on is
// escaped: keys and titles are whatever somebody uploaded. Files and pipes get every byte as it is.
func shown(w io.Writer) io.Writer {
	if isTerminal(w) {
		return &screen{terminal: w}
	}
	return w
}

// log returns where the program logs, from a level on: JSON for programs, or sentences where stderr is
// a terminal and a person runs the program.
func (c *Command) log(least slog.Level) io.Writer {
	if isTerminal(c.Stderr) && !account.InFC(c.Getenv) {
		return logs.Terminal{Out: c.Stderr, Least: least}
	}
	return c.Stderr
}

// screen escapes what a terminal would act on.
type screen struct {
	terminal io.Writer
	begun    []byte // of a character whose other bytes are in the next write
}

// Write takes all of p. Results end with a line feed, so no character stays begun.
func (s *screen) Write(p []byte) (int, error) {
	all := append(s.begun, p...)
	whole := len(all)
	for start := max(0, whole-utf8.UTFMax+1); start < len(all); start++ {
		if utf8.RuneStart(all[start]) && !utf8.FullRune(all[start:]) {
			whole = start
			break
		}
	}
	s.begun = append([]byte(nil), all[whole:]...)
	if _, err := io.WriteString(s.terminal, text.Printable(string(all[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}
