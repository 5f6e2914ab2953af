package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/fc"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

func (c *Command) console() *cobra.Command {
	var flags functionFlags
	var address string
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Review plans, approve them and see what happened, in a browser on this machine",
		Long: `console serves pages on a loopback address until it is interrupted, over the same
state as the function. It prints one address, whose token lets one browser in, once.
The pages work without JavaScript, and load nothing from elsewhere. They are English
or Chinese, as MEDIASWEEP_LANG or the browser says.`,
		Example: "  mediasweep console --emulate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs := console.NewRuns(cmd.Context())
			f, stop, err := c.function(flags.emulate, handler.Options{Progress: progressOf(runs)})
			if err != nil {
				return err
			}
			defer stop()
			return c.serveConsole(cmd.Context(), f.Service, runs, address)
		},
	}
	flags.add(cmd, "table")
	cmd.Flags().Lookup("output").Hidden = true
	cmd.Flags().StringVar(&address, "addr", "127.0.0.1:0", "loopback address to listen on")
	return cmd
}

func progressOf(runs *console.Runs) func(sweep.Progress) {
	return func(p sweep.Progress) {
		runs.Show(console.Progress{Deleting: p.Deleting, Restoring: p.Restoring, Done: p.Done, Total: p.Total})
	}
}

// serveConsole serves the console of a service until the context ends, and waits for the runs that it
// began.
func (c *Command) serveConsole(ctx context.Context, s *service.Service, runs *console.Runs, address string) error {
	pages, err := console.New(console.Options{
		Service: s, Log: s.Log(), Trigger: trigger.CLI, Lang: words.Lang(c.Getenv("MEDIASWEEP_LANG")), Runs: runs, Now: time.Now,
		Call: func(*http.Request) service.Call { return localCall() },
	})
	if err != nil {
		return exitError{exitFailed, err}
	}
	listener, err := fc.Listen(address, false, false)
	if err != nil {
		return exitError{exitUsage, err}
	}
	guard, err := console.NewGuard(pages, listener.Addr().String())
	if err != nil {
		return exitError{exitFailed, err}
	}
	debug.SetGCPercent(50) // a plan of a hundred thousand media is most of the memory
	server := &http.Server{Handler: guard, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	fmt.Fprintf(c.Stdout, "http://%s%s\n", listener.Addr(), guard.Entry())               //nolint:errcheck // the reader has gone
	fmt.Fprintln(c.Stderr, "mediasweep: open this address in a browser; Ctrl-C ends it") //nolint:errcheck // there is no other place to say it
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return exitError{exitFailed, err}
	}
	runs.Wait()
	return nil
}
