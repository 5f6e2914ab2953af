package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// runLists reads the reports of runs, and totals of them.
type runLists interface {
	Runs(ctx context.Context, call service.Call, f service.RunFilter) (service.RunList, error)
	Run(ctx context.Context, call service.Call, id string) (*report.Report, error)
	Stats(ctx context.Context, call service.Call, by, since string) (*report.Stats, error)
}

// pageRuns is the number of runs on a page.
const pageRuns = 50

type runsData struct {
	Filter   service.RunFilter
	List     service.RunList
	Triggers []trigger.Kind
	Statuses []report.Status
	Next     string // address of the next page
}

func (p *pages) runs(r *http.Request) (*page, error) {
	query, err := p.query(r, "trigger", "status", "since", "before")
	if err != nil {
		return nil, err
	}
	if err = p.oneOf(r, query, "trigger", text.Strings(trigger.Kinds())...); err == nil {
		err = p.oneOf(r, query, "status", text.Strings(report.Statuses())...)
	}
	if err != nil {
		return nil, err
	}
	f := service.RunFilter{Trigger: trigger.Kind(query.Get("trigger")), Status: report.Status(query.Get("status")), Since: query.Get("since"), Before: query.Get("before"), Limit: pageRuns}
	list, err := p.Service.Runs(r.Context(), p.Call(r), f)
	if err != nil {
		return nil, err
	}
	data := runsData{Filter: f, List: list, Triggers: trigger.Kinds(), Statuses: report.Statuses()}
	if list.Next != "" {
		query.Set("before", list.Next)
		data.Next = "/runs?" + query.Encode()
	}
	return &page{name: "runs", title: "Runs", data: data}, nil
}

type runData struct {
	*report.Report
	// CanRestore is true if the run may have deleted media.
	CanRestore bool
}

// run shows a run: its progress while it is under way, then its report.
func (p *pages) run(r *http.Request) (*page, error) {
	id := r.PathValue("run")
	if trigger.IsPlanID(id) { // a restore may be of a plan
		return redirect("/plans/" + id)
	}
	progress, ended := p.Runs.of(id)
	if progress != nil {
		return &page{name: "progress", title: "A run is under way", data: progress, refresh: "2"}, nil
	}
	found, err := p.Service.Run(r.Context(), p.Call(r), id)
	if errors.Is(err, state.ErrNotFound) && ended != nil { // a refused request has no saved report
		found, err = ended, nil
	}
	if unreported, ok := errors.AsType[*runlog.UnreportedError](err); ok {
		return nil, p.missing(r, err, "Run %s has no report. It began to delete, and is under way or was killed. The next scheduled run finishes its plan.", text.Quote(unreported.Begun.Run))
	}
	if err != nil {
		return nil, p.missing(r, err, "There is no run %s.", text.Quote(id))
	}
	return &page{name: "run", title: "Run", data: runData{found, found.MayHaveDeleted()}}, nil
}

// carryOut carries out a request, and returns the address of its run.
func (p *pages) carryOut(r *http.Request, request *trigger.Request) (string, error) {
	call := p.Call(r)
	if p.Runs == nil {
		return ended(p.Service.Sweep(r.Context(), call, request))
	}
	call.RequestID = strings.ToLower(rand.Text())
	p.Runs.start(call.RequestID, func(ctx context.Context) *report.Report { return p.Service.Sweep(ctx, call, request) })
	return "/runs/" + url.PathEscape(call.RequestID), nil
}

// ended returns the address of the report of a run that has one. A run without one has done nothing.
func ended(done *report.Report) (string, error) {
	if done.Refused || done.Status == report.Failed {
		return "", notDone{unsaved(done)}
	}
	return "/runs/" + url.PathEscape(done.Run), nil
}

// askRestore says what a restore of a run would bring back. It is no run: the page may be reloaded.
func (p *pages) askRestore(r *http.Request) (*page, error) {
	preview, ok := p.previewRestore(r)
	if !ok {
		return unsaved(preview), nil
	}
	return &page{name: "restore", title: "Restore", data: preview}, nil
}

func (p *pages) previewRestore(r *http.Request) (preview *report.Report, ok bool) {
	request := &trigger.Request{Trigger: p.Trigger, Restore: r.PathValue("run")}
	preview = p.Service.PreviewRestore(r.Context(), p.Call(r), request)
	return preview, preview.Status == report.Done || preview.Status == report.Partial
}

// unsaved shows a report that has no page of its own.
func unsaved(r *report.Report) *page {
	return &page{name: "run", title: "Run", status: r.HTTPStatus(), data: runData{Report: r}}
}

// restore brings back the media that a run deleted, if they are still as many as the page showed.
func (p *pages) restore(r *http.Request) (string, error) {
	preview, ok := p.previewRestore(r)
	if !ok {
		return "", notDone{unsaved(preview)}
	}
	if shown := r.PostFormValue("shown"); shown != strconv.Itoa(preview.Restore.Restored) {
		return "", p.refuse(r, "%d media would be restored now, and the page showed %s. Nothing was restored: look again.", preview.Restore.Restored, text.Quote(shown))
	}
	return p.carryOut(r, &trigger.Request{Trigger: p.Trigger, Restore: r.PathValue("run")})
}
