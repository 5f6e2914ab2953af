package sweep

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Events are small: each passes below guard.maxDelete by itself, and a storm of them
// would delete without a limit. So it holds for all of them within a day.
const spentTime = 24 * time.Hour

// spentFolder holds a record for each run of events that set out to delete, and one for
// what of it did not go. Its name says all: when, how many media, with a minus for those
// that did not, and which run: both of its records end alike.
const spentFolder = "spent/"

// spend checks the guard of event runs against what the last 24 hours deleted, and
// notes what this one will, before it does and even before it has a plan.
func (r *run) spend(ctx context.Context) error {
	if err := r.Marks.spending.take(ctx); err != nil {
		return fmt.Errorf("look at what events deleted before: %w", err)
	}
	defer r.Marks.spending.giveBack()
	now := r.Now().UTC()
	day := eventBudget{}
	for record, err := range r.Store.List(ctx, spentFolder, spentFolder+state.Stamp(now.Add(-spentTime))) {
		if err == nil {
			err = day.take(record.Name)
		}
		switch {
		case errors.Is(err, errUncovered):
			r.Log.Warn("refund to the budget of events not counted", "record", record.Name, "error", err.Error())
		case err != nil:
			return fmt.Errorf("look at what events deleted before: %w", err)
		}
	}
	spent := day.spent()
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

// maxSpent bounds what one run of events can spend.
const maxSpent = 1 << 31

// eventBudget has the media that each run of events set out to delete, less those that stayed.
type eventBudget map[string]int

// errUncovered says that a run gives back more media than it spent. Its record of spending is
// more than a day old, or of the version before, or there is none.
var errUncovered = errors.New("it gives back more media than its run set out to delete within a day")

// take counts the record of a name. Records come in the order of their times.
func (b eventBudget) take(name string) error {
	_, rest, _ := strings.Cut(name, "Z-")
	at := strings.LastIndexByte(rest, '-')
	media, err := strconv.Atoi(rest[:max(at, 0)])
	run := rest[at+1:]
	switch {
	case err != nil, media == 0, media > maxSpent, media < -maxSpent, run == "":
		return fmt.Errorf("record %s does not tell how many media an event deleted: remove it", text.Quote(name))
	case b[run]+media < 0:
		return errUncovered
	}
	b[run] += media
	return nil
}

func (b eventBudget) spent() (media int) {
	for _, ofRun := range b {
		media = min(maxSpent, media+ofRun)
	}
	return media
}

func (r *run) noteSpent(ctx context.Context, media int) error {
	name := fmt.Sprintf("%s%s-%d-%s", spentFolder, state.Stamp(r.Now()), media, r.spender)
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
