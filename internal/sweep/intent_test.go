package sweep_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// watched is a store that calls a function before it writes a record.
type watched struct {
	storeFunc
	before func(name string) error
}

func (w watched) Create(_ context.Context, name string, _ []byte) error { return w.before(name) }

// The intent is recorded before the first deletion. Without it nothing is sent.
func TestTheIntentComesFirst(t *testing.T) {
	down := errors.New("the store is down")
	for name, broken := range map[string]error{"recorded": nil, "not recorded": down} {
		t.Run(name, func(t *testing.T) {
			turnClock(t, func(t *testing.T) {
				e, ids := library(t, emulator.MPSOptions{}, 15)
				intents := 0
				store := watched{before: func(name string) error {
					if !strings.HasPrefix(name, "open/") || strings.HasSuffix(name, ".done") {
						return nil
					}
					intents++
					if sent := e.Count()["DeleteMedia"]; sent > 0 {
						t.Errorf("%d calls before intent %s", sent, name)
					}
					return broken
				}}
				r := runIn(t.Context(), t, e, time.Now, store, timerOf(ids), whole)
				if broken == nil && (r.Status != report.Done || r.Counts.Deleted != 15) {
					t.Errorf("%s %s, %+v", r.Status, r.Error, r.Counts)
				}
				if broken != nil && (r.Status != report.Failed || !strings.Contains(r.Error, "nothing was deleted") || e.Count()["DeleteMedia"] > 0) {
					t.Errorf("%s %s, %d calls", r.Status, r.Error, e.Count()["DeleteMedia"])
				}
				if intents != 1 {
					t.Errorf("%d intents", intents)
				}
			})
		})
	}
}
