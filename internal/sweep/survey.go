package sweep

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Survey scans the candidates of a request, calls each with every medium, and finishes the report. It
// decides nothing and writes nothing.
func (s *Sweep) Survey(ctx context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report, each func(media.Medium)) {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	run := s.newRun(budget, request, r)
	run.endBy(task.Run(func() {
		found := s.scanner().Survey(ctx, request, r, each, run.progress.scanned)
		defer found.Close()
		run.take(found)
	}))
	run.progress.Stop()
	status := run.outcome()
	if status == report.Done && run.partial {
		status = report.Partial
	}
	r.Finish(status, s.Now())
}
