// Command mutate breaks the program in one place at a time, by the list in mutations.txt, and runs the
// tests that must fail then. It changes no file: the compiler reads the broken one in its place.
//
//	go run ./internal/mutate [REGEXP]
//
// REGEXP selects mutations by their file and text.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := mutate(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// mutate carries out the selected mutations, and fails if a test run does not notice one.
func mutate(ctx context.Context, out io.Writer, args []string) error {
	selected, err := regexp.Compile(append(args, "")[0])
	if err != nil {
		return err
	}
	list, err := parse(mutations)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // temporary
	counts := map[result]int{}
	for _, m := range list {
		if !selected.MatchString(m.file + " " + m.why) {
			continue
		}
		began := time.Now()
		is, by, err := m.try(ctx, folder)
		if err != nil {
			is, by = broken, err.Error()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		counts[is]++
		_, _ = fmt.Fprintf(out, "%-6s %4.0f s  %s  %s\n", is, time.Since(began).Seconds(), m, by)
	}
	_, _ = fmt.Fprintf(out, "%d killed, %d lived, %d could not be tried\n", counts[killed], counts[lived], counts[broken])
	if counts[lived]+counts[broken] > 0 {
		return errors.New("no test fails for some mutations")
	}
	return nil
}
