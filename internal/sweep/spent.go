package sweep

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Events are small: each passes below guard.maxDelete by itself, and a storm of them
// would delete without a limit. So it holds for all of them within a day.
const spentTime = 24 * time.Hour

// spentFolder holds a record for each run of events that set out to delete, and one for
// what of it did not go. Its name says all: when, and how many media, with a minus for
// those that did not.
const spentFolder = "spent/"

// spend checks the guard of event runs against what the last 24 hours deleted, and
// notes what this one will, before it does and even before it has a plan.
func (r *run) spend(ctx context.Context) error {
	if err := r.Marks.spending.take(ctx); err != nil {
		return fmt.Errorf("look at what events deleted before: %w", err)
	}
	defer r.Marks.spending.giveBack()
	now := r.Now().UTC()
	spent := 0
	for record, err := range r.Store.List(ctx, spentFolder, spentFolder+state.Stamp(now.Add(-spentTime))) {
		if err != nil {
			return fmt.Errorf("look at what events deleted before: %w", err)
		}
		_, rest, _ := strings.Cut(record.Name, "Z-")
		at := strings.LastIndexByte(rest, '-')
		media, err := strconv.Atoi(rest[:max(at, 0)])
		if err != nil {
			return fmt.Errorf("record %s does not tell how many media an event deleted", record.Name)
		}
		spent += media
	}
	adds := 0
	for _, one := range r.reports {
		switch after := spent + adds + one.Counts.Expired; {
		case one.Guard.Tripped || one.Counts.Expired == 0:
		case after > r.Policy.Guard.MaxDelete:
			one.Guard = report.Guard{Tripped: true, Reason: fmt.Sprintf("%d media have expired, events of the last 24 hours set out to delete %d, and guard.maxDelete is %d",
				one.Counts.Expired, spent+adds, r.Policy.Guard.MaxDelete)}
		default:
			adds += one.Counts.Expired
		}
	}
	if adds == 0 || r.mode != policy.Enforce {
		return nil
	}
	if err := r.noteSpent(ctx, adds); err != nil {
		return fmt.Errorf("note what events delete: %w; nothing was deleted", err)
	}
	return nil
}

func (r *run) noteSpent(ctx context.Context, media int) error {
	name := fmt.Sprintf("%s%s-%d-%s", spentFolder, state.Stamp(r.Now()), media, rand.Text())
	return r.Store.Create(ctx, name, []byte(emptyRecord))
}

// giveBack notes what of the media of events did not go, so that an event which comes
// again finds room for it.
func (r *run) giveBack(ctx context.Context) {
	stayed := 0
	for _, one := range r.reports {
		if !one.Guard.Tripped {
			stayed += one.Counts.Failed + one.Counts.Gone
		}
	}
	if stayed == 0 {
		return
	}
	if err := r.noteSpent(ctx, -stayed); err != nil {
		r.Log.Warn("media that did not go count among those that events deleted", "media", stayed, "error", err.Error())
	}
}
