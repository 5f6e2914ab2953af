package sweep

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// slowStore is a store that does not answer the last of some reads of a record.
type slowStore struct {
	state.Store
	folder, suffix string // of its name
	reads          int
}

func (h *slowStore) Read(ctx context.Context, name string) ([]byte, error) {
	if strings.HasPrefix(name, h.folder) && strings.HasSuffix(name, h.suffix) {
		if h.reads--; h.reads == 0 {
			<-ctx.Done()
			return nil, fmt.Errorf("read %s: %w", name, ctx.Err())
		}
	}
	return h.Store.Read(ctx, name)
}

// A resumed plan whose records could not be read in time is incomplete: the next run resumes it again.
func TestResumeEndsByItsDeadline(t *testing.T) {
	for name, store := range map[string]slowStore{
		"at the outcomes":                      {folder: "ledger/", reads: 1},
		"at the plan":                          {folder: "plans/", suffix: "plan.json", reads: 1},
		"at the entries":                       {folder: "plans/", suffix: ".gz", reads: 1},
		"at the entries, which it has counted": {folder: "plans/", suffix: ".gz", reads: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "")
				ids := w.fill(5)
				contents := w.cutOff(plan.Contents{}, "rest", ids[:2], ids[2:]...)
				store.Store, w.down = w.store, true // the library has not been called by then
				w.sweep.Store = &store
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				request := &trigger.Request{Trigger: trigger.Timer, Plan: contents.ID, Resume: "first"}
				r := report.New("second", request.Trigger, w.sweep.Policy, w.now)
				r.Mode = policy.Enforce
				w.sweep.Run(ctx, deadline.New(ctx), request, r)
				if r.Status != report.Incomplete || store.reads > 0 {
					t.Errorf("%s %s, %d reads left", r.Status, r.Error, store.reads)
				}
			})
		})
	}
}
