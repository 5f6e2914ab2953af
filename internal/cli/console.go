package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/fc"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

func (c *Command) console() *cobra.Command {
	var emulate bool
	var address string
	var places, policies *[]string
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Review plans, approve them and see what happened, in a browser on this machine",
		Long: `console serves pages on a loopback address until it is interrupted, over the same
state as the function. It prints one address, whose token lets one browser in, once.
The pages work without JavaScript, and load nothing from elsewhere. They are English
or Chinese, as MEDIASWEEP_LANG or the browser says. With several stores the head of
each page chooses one: what a page does, it does there, by the policy of that store.`,
		Example: `  mediasweep console --emulate
  mediasweep console --state cn-shanghai=oss://ops/mediasweep/ --policy retention.yaml --state cn-beijing=oss://ops-bj/mediasweep/ --policy retention.yaml`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if states := max(1, len(*places)); len(*policies) != states && (len(*policies) > 0 || states > 1) {
				return exitError{exitUsage, fmt.Errorf("%d times --state and %d times --policy: a store is shown with its own policy, so give --policy once for each --state, in the same order", states, len(*policies))}
			}
			stores, err := c.stores(*places, *policies)
			if err != nil {
				return err
			}
			timeout, wrong := c.timeLimit(0)
			var all []console.Options
			var libraries mps.Clients
			for _, one := range stores {
				runs := console.NewRuns(cmd.Context(), timeout)
				f, stop, err := one.command.function(emulate, handler.Options{Broken: wrong, Progress: runs.Show, Libraries: &libraries})
				if err != nil {
					return err
				}
				defer stop()
				if broken := f.Broken(cmd.Context()); broken != nil {
					c.note(one.of("every run is refused: " + broken.Error())...)
				}
				if one.command.Getenv("MEDIASWEEP_STATE") == "" {
					c.note("a hold here " + one.command.binds(f.Service))
				}
				pages := c.pages(one.place, f.Service, runs)
				pages.Timeout = timeout
				all = append(all, pages)
			}
			return c.serveConsole(cmd.Context(), all, address)
		},
	}
	places = addStates(cmd)
	policies = cmd.Flags().StringArray("policy", nil, "the policy: a file, or oss://bucket/key; can be repeated, one for each --state ($MEDIASWEEP_POLICY)")
	addEmulate(cmd, &emulate)
	cmd.Flags().StringVar(&address, "addr", "127.0.0.1:0", "loopback address to listen on")
	return cmd
}

// pages configures the pages of a deployment whose state store has a place.
func (c *Command) pages(place string, s *service.Service, runs *console.Runs) console.Options {
	return console.Options{
		Service: s, Origin: s.Origin(), Name: strings.TrimSpace(s.Origin().Region + " " + place), Log: s.Log(), Trigger: trigger.CLI,
		Lang: words.Lang(c.Getenv("MEDIASWEEP_LANG")), Runs: runs, Now: time.Now, Call: func(*http.Request) service.Call { return localCall() },
	}
}

// sendTime is the time for the head of a request, and for its body.
const sendTime = 10 * time.Second

// serveConsole serves the console of deployments until the context ends, and waits for the runs that it
// began.
func (c *Command) serveConsole(ctx context.Context, all []console.Options, address string) error {
	listener, err := fc.Listen(address, false, false)
	if errors.Is(err, fc.ErrNotLoopback) {
		err = errors.New("console: other machines reach this address: listen on 127.0.0.1; the function serves the same pages to them")
	}
	if err != nil {
		return exitError{exitUsage, err}
	}
	guard, err := console.NewGuard(console.Stores(all), listener.Addr().String())
	if err != nil {
		return exitError{exitFailed, err}
	}
	server := &http.Server{Handler: fc.LimitBodies(guard, sendTime), ReadHeaderTimeout: sendTime, MaxHeaderBytes: 64 << 10}
	fmt.Fprintf(c.Stdout, "http://%s%s\n", listener.Addr(), guard.Entry()) //nolint:errcheck // the reader has gone
	c.say("open this address in a browser; Ctrl-C ends it")
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return exitError{exitFailed, err}
	}
	for _, one := range all {
		one.Runs.Wait()
	}
	return nil
}
