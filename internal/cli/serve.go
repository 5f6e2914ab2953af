package cli

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/fc"
	"github.com/mediasweep/mediasweep/internal/logs"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// defaultTimeout is a call's time where neither FC nor MEDIASWEEP_TIMEOUT says.
const defaultTimeout = 60 * time.Second

func (c *Command) serve() *cobra.Command {
	var address string
	var emulate bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve event calls and HTTP, as Function Compute's custom runtime expects",
		Long: `serve answers the platform's calls, the HTTP routes and the console's pages until it
is interrupted. Outside Function Compute it listens on loopback only, unless
MEDIASWEEP_HTTP_TOKEN has a token. A route needs that token in X-Mediasweep-Token, or
MEDIASWEEP_HTTP_AUTH to say how the HTTP trigger authenticates callers. A call has
MEDIASWEEP_TIMEOUT seconds, by default 60, if the platform does not say.`,
		Example: "  mediasweep serve --addr 127.0.0.1:9000",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			timeout, err := c.timeLimit(defaultTimeout)
			if err != nil {
				return exitError{exitUsage, err}
			}
			inFC := account.InFC(c.Getenv)
			if address == "" {
				if address, err = fc.Address(c.Getenv, inFC); err != nil {
					return exitError{exitUsage, err}
				}
			}
			listener, err := fc.Listen(address, inFC, c.Getenv("MEDIASWEEP_HTTP_TOKEN") != "")
			switch {
			case errors.Is(err, syscall.EADDRINUSE):
				return exitError{exitFailed, err}
			case err != nil:
				return exitError{exitUsage, err}
			}
			log := c.log(slog.LevelInfo)
			logger := logs.New(log)
			logger.Info("listening", "address", listener.Addr().String(), "version", c.version())
			f, stop, err := c.function(emulate, handler.Options{Log: log})
			if err != nil {
				return err
			}
			defer stop()
			rt := &fc.Custom{Function: c.withPages(cmd.Context(), f), Timeout: timeout, Local: !inFC, Log: log, Logger: logger}
			return failed(rt.Serve(cmd.Context(), listener))
		},
	}
	cmd.Flags().StringVar(&address, "addr", "", "listen here instead of on FC's port")
	addEmulate(cmd, &emulate)
	return cmd
}

func (c *Command) serveGo1(ctx context.Context) error {
	if err := account.CheckEnvironment(c.Getenv); err != nil {
		return err
	}
	timeout, err := c.timeLimit(defaultTimeout)
	if err != nil {
		return exitError{exitUsage, err}
	}
	f := c.withPages(ctx, handler.New(handler.Options{Getenv: c.Getenv, Log: c.Stderr}))
	rt := &fc.Go1{Function: f, API: c.Getenv(fc.RuntimeAPI), Timeout: timeout, Logger: logs.New(c.Stderr)}
	rt.Logger.Info("serving the go1 runtime", "version", c.version())
	return failed(rt.Serve(ctx))
}

// withPages adds the console to a function, and logs why a broken function refuses every run. A run
// that a page starts ends with its request: the platform freezes an instance between requests.
func (c *Command) withPages(ctx context.Context, f *handler.Function) *handler.Function {
	o := c.pages("", f.Service, nil)
	o.Call, o.Trigger = handler.CallOf, trigger.HTTP
	f.SetPages(console.New(o))
	if broken := f.Broken(ctx); broken != nil {
		f.Log().Error("not configured", "error", broken.Error())
	}
	return f
}

// timeLimit returns MEDIASWEEP_TIMEOUT, or what holds without it. It is a minute if the variable is wrong.
func (c *Command) timeLimit(otherwise time.Duration) (time.Duration, error) {
	value := c.Getenv("MEDIASWEEP_TIMEOUT")
	if value == "" {
		return otherwise, nil
	}
	// 86400 s is the longest that FC lets a function run.
	seconds, err := text.Decimal(value)
	if err != nil || seconds < 1 || seconds > 86400 {
		return defaultTimeout, errors.New("MEDIASWEEP_TIMEOUT must be a plain decimal number of seconds from 1 to 86400, such as 60")
	}
	return time.Duration(seconds) * time.Second, nil
}
