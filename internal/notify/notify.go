// Package notify sends digests of runs to chat robots. New reads the targets from the environment.
// Matters selects the runs that are worth a message. Digest.Message writes the message, and Send
// sends it to every target. No error and no message contains a part of a target's URL or secret.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/words"
)

// MaxTime bounds the time that a digest takes, in all.
const MaxTime = 5 * time.Second

// Notifier sends digests to the targets of a deployment. It is safe for concurrent use.
type Notifier struct {
	targets []target
	lang    words.Lang
	client  *http.Client
}

// New reads MEDIASWEEP_NOTIFY and MEDIASWEEP_LANG. It makes no call. Errors quote neither.
func New(getenv func(string) string, dial account.Dial) (*Notifier, error) {
	n := &Notifier{client: newClient(dial)}
	var err error
	if n.lang, err = words.Parse(getenv("MEDIASWEEP_LANG")); err != nil {
		return nil, err
	}
	if n.targets, err = parseTargets(getenv("MEDIASWEEP_NOTIFY")); err != nil {
		return nil, fmt.Errorf("MEDIASWEEP_NOTIFY: %w", err)
	}
	return n, nil
}

// Enabled reports whether there is a target.
func (n *Notifier) Enabled() bool { return n != nil && len(n.targets) > 0 }

// Send sends a digest to all targets at once, within the context's time and MaxTime. It returns an
// error for each target that did not confirm the message. The error names the position of the target.
func (n *Notifier) Send(ctx context.Context, d Digest, from report.Origin) []error {
	ctx, cancel := context.WithTimeout(ctx, MaxTime)
	defer cancel()
	m := d.Message(n.lang, from)
	errs := make([]error, len(n.targets))
	var sends sync.WaitGroup
	for i, t := range n.targets {
		sends.Go(func() {
			if panicked := task.Run(func() { errs[i] = n.send(ctx, t, m) }); panicked != nil {
				errs[i] = errors.New("the message could not be made")
			}
			if errs[i] != nil {
				errs[i] = fmt.Errorf("target %d (%s): %w", i+1, t.kind, errs[i])
			}
		})
	}
	sends.Wait()
	return errs
}
