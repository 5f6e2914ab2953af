package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

type overviewData struct {
	Runs, Blocked []*report.Report
	Stats         *report.Stats
	Most          int // deletions of a month
	Ending        []retention.Hold
	HoldsUnread   bool
	Due           *dueData // nil if no run has counted it
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
	// Requests and events may have pushed the sweeps out of the latest runs.
	timers, err := p.Service.Runs(ctx, call, service.RunFilter{Trigger: trigger.Timer, Limit: recentRuns})
	if err != nil {
		return nil, err
	}
	zone, _ := p.Service.Zone(ctx, call)
	if d.Due = dueOf(list.Reports, zone); d.Due == nil {
		d.Due = dueOf(timers.Reports, zone)
	}
	blocked, err := p.Service.Runs(ctx, call, service.RunFilter{Status: report.Blocked, Limit: recentRuns})
	if err != nil {
		return nil, err
	}
	d.Runs, d.Trouble = list.Reports, list.Notes
	p.addWaiting(r, &d, blocked.Reports, slices.Concat(list.Reports, timers.Reports))
	if d.Stats, err = p.Service.Stats(ctx, call, report.ByMonth, "1y"); err != nil {
		return nil, err
	}
	for _, row := range d.Stats.Rows {
		d.Most = max(d.Most, row.Deleted)
	}
	d.Trouble = append(d.Trouble, d.Stats.Notes...)
	holds, skipped, err := p.Service.Holds(ctx, call)
	if d.HoldsUnread = err != nil; d.HoldsUnread { // the page is needed most when something is wrong
		skipped = []string{text.Bound("the holds cannot be read: " + err.Error())}
	}
	d.Trouble = append(d.Trouble, skipped...)
	for _, hold := range holds {
		if !hold.Until.IsZero() && hold.Until.Before(p.Now().Add(endingWithin)) {
			d.Ending = append(d.Ending, hold)
		}
	}
	slices.SortFunc(d.Ending, func(a, b retention.Hold) int { return a.Until.Compare(b.Until) })
	return &page{name: "overview", title: "Overview", data: d, zone: zone}, nil
}

// addWaiting adds the latest blocked run, unless its plan was applied or a later sweep of the inventory was not blocked.
func (p *pages) addWaiting(r *http.Request, d *overviewData, blocked, latest []*report.Report) {
	at := slices.IndexFunc(blocked, func(r *report.Report) bool { return r.Plan != "" && r.Trigger != trigger.OSS })
	if at < 0 {
		return
	}
	waits := blocked[at]
	supersedes := func(r *report.Report) bool {
		sweep := r.Trigger == trigger.Timer || r.Due != nil // only a sweep of the inventory counts what falls due
		return sweep && r.FinishedAt.After(waits.FinishedAt) && (r.Status == report.Done || r.Status == report.Partial)
	}
	if slices.ContainsFunc(latest, supersedes) {
		return
	}
	contents, _, err := p.Service.Items(r.Context(), p.Call(r), waits.Plan)
	switch {
	case err != nil: // it may not have been applied
		d.Trouble = append(d.Trouble, text.Bound("plan "+waits.Plan+" cannot be read: "+err.Error()))
	case contents.Run != "":
		return
	}
	d.Blocked = []*report.Report{waits}
	p.reviews.readAhead(p.Runs, p.Call(r), waits.Plan)
}

// dueData says what falls due, by what the latest sweep that counted it knows.
type dueData struct {
	Run      string
	AsOf     time.Time
	From, To string
	Bars     []dueBar
	Within   []within
}

// dueBar is a bar of a chart that is 100 high.
type dueBar struct {
	Day                 string
	Media               int
	X, Y, Width, Height int
}

type within struct{ Days, Media int }

// dueOf returns what falls due by the latest report that says so, from its day in the policy's timezone on. A run
// that failed may have read nothing.
func dueOf(runs []*report.Report, zone *time.Location) *dueData {
	at := slices.IndexFunc(runs, func(r *report.Report) bool { return r.Due != nil && r.Status != report.Failed })
	if at < 0 {
		return nil
	}
	r, byDay := runs[at], map[string]int{}
	for _, on := range r.Due {
		byDay[on.Day] += on.Media
	}
	for _, on := range r.Announced {
		byDay[on.Day] += on.Media
	}
	first := retention.DateOf(r.AsOf, zone)
	for written := range byDay { // the policy may have had another timezone
		if day, err := time.Parse(time.DateOnly, written); err == nil && day.Before(first) {
			first = day
		}
	}
	date := func(number int) string { return first.AddDate(0, 0, number).Format(time.DateOnly) }
	d := &dueData{Run: r.Run, AsOf: r.AsOf, From: date(0), To: date(retention.UpcomingDays - 1), Within: []within{{Days: 7}, {Days: 30}, {Days: retention.UpcomingDays}}}
	most := 1
	for number := range retention.UpcomingDays { // a notice may take a year
		day := date(number)
		media := byDay[day]
		if media <= 0 {
			continue
		}
		most = max(most, media)
		d.Bars = append(d.Bars, dueBar{Day: day, Media: media, X: number * 8, Width: 7})
		for i := range d.Within {
			if number <= d.Within[i].Days { // as the digest counts: today is one more
				d.Within[i].Media += media
			}
		}
	}
	for i := range d.Bars {
		bar := &d.Bars[i]
		bar.Height = max(2, bar.Media*100/most)
		bar.Y = 100 - bar.Height
	}
	return d
}
