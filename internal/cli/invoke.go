package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (c *Command) invoke() *cobra.Command {
	var flags functionFlags
	var file string
	cmd := &cobra.Command{
		Use:   "invoke -f FILE",
		Short: "Run one trigger payload through the function; the report goes to stdout",
		Long: `invoke reads one payload as Function Compute would deliver it (a timer or OSS
event, an HTTP event of the go1 runtime, or a request) and runs it. A timer or OSS
event that names no mode takes the policy's: under mode enforce it deletes. The
folder events has a sample of each.`,
		Example: "  mediasweep invoke -f events/timer.json -o table",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return exitError{exitUsage, errors.New("invoke lacks --file: " + usage(cmd))}
			}
			payload, err := c.read(cmd.Context(), file)
			if err != nil {
				return err
			}
			return flags.withFunction(cmd, c, func(ctx context.Context, f *handler.Function) error {
				event, err := trigger.Parse(payload)
				if err != nil || event.HTTP != nil {
					return c.answerOf(f.Invoke(ctx, localCall(), payload))
				}
				return c.writeReport(f.Sweep(ctx, localCall(), event.Request), flags.output)
			})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with the payload; - reads stdin")
	flags.add(cmd, "json", "table")
	return cmd
}

// read reads a file, or stdin, up to one byte more than the limit of a payload: the function refuses what is larger. The
// end of the context ends it, since a pipe may have no end.
func (c *Command) read(ctx context.Context, file string) ([]byte, error) {
	data, err := task.Within(ctx, func() ([]byte, error) {
		in := c.Stdin
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return nil, err
			}
			defer f.Close() //nolint:errcheck // only read
			in = f
		}
		return io.ReadAll(io.LimitReader(in, trigger.MaxBytes+1))
	})
	if errors.Is(err, context.Canceled) {
		err = exitError{exitFailed, errors.New("stopped before the whole file was read: nothing was done")}
	}
	return data, err
}

// answerOf writes what the function answered where that is no report of a run: to
// a payload that it refuses, and to an HTTP event.
func (c *Command) answerOf(body json.RawMessage, err error) error {
	if _, writeErr := fmt.Fprintf(c.Stdout, "%s\n", body); writeErr != nil {
		return writeErr
	}
	var response struct {
		StatusCode int `json:"statusCode"`
	}
	switch {
	case err != nil:
		return exitError{exitUsage, err}
	case json.Unmarshal(body, &response) == nil && response.StatusCode >= 400:
		return errors.New("the HTTP event was answered with an error")
	}
	return nil
}
