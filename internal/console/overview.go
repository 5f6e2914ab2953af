package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

type overviewData struct {
	Runs, Blocked []*report.Report
	Stats         *report.Stats
	Most          int // deletions of a month
	Ending        []retention.Hold
	Trouble       []string
}

const (
	recentRuns   = 10
	endingWithin = 30 * 24 * time.Hour
)

// overview shows what ran, what waits, what was deleted, and which holds end soon.
func (p *pages) overview(r *http.Request) (*page, error) {
	ctx, call, d := r.Context(), p.Call(r), overviewData{}
	list, err := p.Service.Runs(ctx, call, service.RunFilter{Limit: recentRuns})
	if err != nil {
		return nil, err
	}
	blocked, err := p.Service.Runs(ctx, call, service.RunFilter{Status: string(report.Blocked), Limit: recentRuns})
	if err != nil {
		return nil, err
	}
	d.Runs, d.Trouble = list.Reports, list.Notes
	for _, one := range blocked.Reports {
		if one.Plan != "" && one.Trigger != trigger.OSS {
			d.Blocked = append(d.Blocked, one)
		}
	}
	d.Blocked = d.Blocked[:min(len(d.Blocked), 3)]
	if d.Stats, err = p.Service.Stats(ctx, call, report.ByMonth, "1y"); err != nil {
		return nil, err
	}
	for _, row := range d.Stats.Rows {
		d.Most = max(d.Most, row.Deleted)
	}
	d.Trouble = append(d.Trouble, d.Stats.Notes...)
	holds, skipped, err := p.Service.Holds(ctx, call)
	if err != nil {
		return nil, err
	}
	d.Trouble = append(d.Trouble, skipped...)
	for _, hold := range holds {
		if !hold.Until.IsZero() && hold.Until.Before(p.Now().Add(endingWithin)) {
			d.Ending = append(d.Ending, hold)
		}
	}
	slices.SortFunc(d.Ending, func(a, b retention.Hold) int { return a.Until.Compare(b.Until) })
	return &page{name: "overview", title: "Overview", data: d}, nil
}
