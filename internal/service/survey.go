package service

import (
	"context"
	"errors"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// errSurveyed rejects a survey whose time ends before an earlier survey.
var errSurveyed = errors.New("another forecast, diff or explanation is under way: try again when it has ended")

// survey calls one pass after another with the media that a request names, and decides nothing. It admits one survey
// of the inventory at a time, and its calls give way to those of runs.
func (j *job) survey(ctx context.Context, request *trigger.Request, p *policy.Policy, passes ...func(media.Medium)) *report.Report {
	own := j.with(request, p)
	if _, err := j.credentials().Current(ctx); err != nil {
		return own.stop(refusedError{err})
	}
	if request.Inventory && p.Inventory.IsEmpty() {
		return own.stop(refusedError{errNoInventory})
	}
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	library := j.library.Session(j.credentials())
	if request.Inventory {
		if j.surveys.Acquire(work, 1) != nil {
			return own.stop(errSurveyed)
		}
		defer j.surveys.Release(1)
		library = j.library.Background(j.credentials())
	}
	if err := j.marks.Refresh(work, j.store()); err != nil {
		return own.stop(err)
	}
	own.newSweep(library).Survey(ctx, j.budget, request, own.report, passes...)
	own.report.Calls = callsOf(library)
	return own.report
}
