package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
)

// functionFlags are the flags of the commands that call the function.
type functionFlags struct {
	output  string
	asOf    string
	emulate bool
	excel   bool
	// policy replaces that of the environment, unless it is nil.
	policy *policy.Policy
}

func (s *functionFlags) add(cmd *cobra.Command, outputs ...string) {
	s.output = outputs[0]
	cmd.Flags().VarP(newChoice(&s.output, outputs...), "output", "o", strings.Join(outputs, ", "))
	addEmulate(cmd, &s.emulate)
	if slices.Contains(outputs, "csv") {
		cmd.Flags().BoolVar(&s.excel, "excel", false, "CSV for Excel: with a byte order mark, and no cell is taken for a formula")
	}
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if s.excel && s.output != "csv" {
			return exitError{exitUsage, errors.New("--excel is for -o csv")}
		}
		return nil
	}
}

func (s *functionFlags) csv(w io.Writer) *render.CSV { return render.NewCSV(w, s.excel) }

// addClock adds the flag that moves the clock. No command that deletes has it.
func (s *functionFlags) addClock(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.asOf, "as-of", "", "decide as of this time (2027-03-01T00:00:00Z) and not of now")
}

// show prints what write has written, if it succeeds; see withFunction.
func (s *functionFlags) show(cmd *cobra.Command, c *Command, write func(context.Context, *service.Service, *strings.Builder) error) error {
	return s.with(cmd, c, func(ctx context.Context, service *service.Service) error {
		var b strings.Builder
		if err := write(ctx, service, &b); err != nil {
			return err
		}
		return c.print(&b)
	})
}

// with calls do with the service of the deployment; see withFunction.
func (s *functionFlags) with(cmd *cobra.Command, c *Command, do func(context.Context, *service.Service) error) error {
	return s.withFunction(cmd, c, func(ctx context.Context, f *handler.Function) error { return do(ctx, f.Service) })
}

// withFunction calls do with the function, within MEDIASWEEP_TIMEOUT. The function has the clock
// and the policy of the flags. An error of do that is no exit is one of the command; see failed.
func (s *functionFlags) withFunction(cmd *cobra.Command, c *Command, do func(context.Context, *handler.Function) error) error {
	o := handler.Options{Policy: s.policy}
	if s.asOf != "" {
		asOf, err := time.Parse(time.RFC3339, s.asOf)
		if err != nil || asOf.IsZero() { // the zero time stands for now
			return exitError{exitUsage, fmt.Errorf("--as-of %s is no time such as 2027-03-01T00:00:00Z", text.Quote(s.asOf))}
		}
		o.AsOf = asOf
	}
	ctx, cancel, wrong := c.inTime(cmd.Context())
	defer cancel()
	o.Broken = wrong
	f, stop, err := c.function(s.emulate, o)
	if err != nil {
		return err
	}
	defer stop()
	return failed(do(ctx, f))
}

// inTime returns a context for the calls of a command. A person waits as long as it takes, unless MEDIASWEEP_TIMEOUT says
// less.
func (c *Command) inTime(ctx context.Context) (context.Context, context.CancelFunc, error) {
	timeout, wrong := c.timeLimit(math.MaxInt64)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, wrong
}

// failed returns the exit of a command that an error ended: of usage if the service refused the request.
func failed(err error) error {
	switch {
	case err == nil, errors.As(err, new(exitError)):
		return err
	case service.IsRefusal(err):
		return exitError{exitUsage, err}
	}
	return exitError{exitFailed, err}
}

func localCall() service.Call {
	caller := "unknown"
	if who, err := user.Current(); err == nil {
		caller = who.Username
	}
	if host, err := os.Hostname(); err == nil {
		caller += "@" + host
	}
	return service.Call{Caller: text.Name(caller)}
}

// function wires the function from the environment, or with an emulator that runs
// until stop is called. Without a log in the options it shows warnings and progress.
func (c *Command) function(emulate bool, o handler.Options) (f *handler.Function, stop func(), err error) {
	if stop, err = c.useEmulator(emulate); err != nil {
		return nil, nil, err
	}
	if o.Policy == nil && c.isShipped(emulate, nil) {
		if o.Policy, err = c.shipped(); err != nil {
			stop()
			return nil, nil, exitError{exitUsage, err}
		}
	}
	if o.Log == nil { // a person waits for the command
		o.Log = c.log(slog.LevelWarn)
		if o.Progress == nil {
			o.Progress = c.progress()
		}
	}
	o.Getenv, o.Credentials = c.Getenv, c.credentials()
	return handler.New(o), stop, nil
}
