package service

import (
	"context"
	"errors"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// errSurveyed rejects a survey whose time ends before an earlier survey.
var errSurveyed = errors.New("another forecast, diff or explanation is under way: try again when it has ended")

// survey passes the media that a request names to found, and decides nothing. It admits one survey
// of the inventory at a time, and its calls give way to those of runs.
func (s *Service) survey(ctx context.Context, budget deadline.Budget, call Call, request *trigger.Request, p *policy.Policy, found func(media.Medium)) *report.Report {
	r := s.newReport(call, request.Trigger, p)
	if _, err := s.credentials(call).Current(ctx); err != nil {
		return s.reject(r, err)
	}
	if request.Inventory && p.Inventory.IsEmpty() {
		return s.reject(r, errNoInventory)
	}
	work, cancel := budget.Work(ctx)
	defer cancel()
	library := s.library.Session(s.credentials(call))
	if request.Inventory {
		select {
		case s.surveys <- struct{}{}:
			defer func() { <-s.surveys }()
		case <-work.Done():
			s.end(r, report.Busy, errSurveyed)
			return r
		}
		library = s.library.Background(s.credentials(call))
	}
	if err := s.marks.Refresh(work, s.store(call)); err != nil {
		s.end(r, report.Failed, err)
		return r
	}
	s.newSweep(call, p, r, library).Survey(ctx, budget, request, r, found)
	r.Calls = callsOf(library)
	return r
}
