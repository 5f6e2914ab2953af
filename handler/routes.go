package handler

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// newRoutes returns what is behind the access check.
func (f *Function) newRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	format, excel := []string{"json", "csv"}, yesOrNo()
	run := func(p parameters, route http.HandlerFunc) http.HandlerFunc { return checked(p, f.refuseRun, route) }
	mux.HandleFunc("POST /v1/sweeps", run(nil, f.postSweep))
	mux.HandleFunc("POST /v1/plans", run(nil, f.postPlan))
	mux.HandleFunc("POST /v1/plans/{id}/apply", run(parameters{"anyway": yesOrNo()}, bodiless(f.refuseRun, f.postApply)))
	mux.HandleFunc("POST /v1/runs/{run}/restore", run(parameters{"dryRun": yesOrNo(), "only": nil}, bodiless(f.refuseRun, f.postRestore)))
	records := func(p parameters, route http.HandlerFunc) http.HandlerFunc { return checked(p, refuse, inTime(route)) }
	mux.HandleFunc("GET /v1/runs", records(parameters{"trigger": nil, "status": nil, "since": nil, "before": nil, "limit": nil, "format": format, "excel": excel}, f.getRuns))
	mux.HandleFunc("GET /v1/runs/{run}", records(parameters{"format": format, "excel": excel}, f.getRun))
	mux.HandleFunc("GET /v1/plans", records(parameters{"before": nil}, f.getPlans))
	mux.HandleFunc("GET /v1/plans/{id}", records(parameters{"format": format, "excel": excel}, f.getPlan))
	mux.HandleFunc("GET /v1/media/{id}/history", records(nil, f.getHistory))
	mux.HandleFunc("GET /v1/holds", records(nil, f.getHolds))
	mux.HandleFunc("POST /v1/holds", records(nil, f.postHold))
	mux.HandleFunc("DELETE /v1/holds/{id}", records(nil, bodiless(refuse, f.deleteHold)))
	mux.HandleFunc("GET /v1/media/{id}/explain", checked(nil, refuse, f.getExplain))
	mux.HandleFunc("GET /v1/forecast", checked(parameters{"days": nil}, refuse, f.getForecast))
	return mux
}

// request reads the request in a body. On an error it has answered.
func (f *Function) request(w http.ResponseWriter, r *http.Request) (request *trigger.Request, ok bool) {
	body, err := trigger.Read(r.Body)
	if err == nil {
		request, err = trigger.ParseRequest(body, trigger.HTTP)
	}
	if err != nil {
		f.refuseRun(w, r, err)
		return nil, false
	}
	return request, true
}

func (f *Function) postSweep(w http.ResponseWriter, r *http.Request) {
	if request, ok := f.request(w, r); ok {
		writeReport(w, f.Sweep(r.Context(), CallOf(r), request))
	}
}

func (f *Function) postPlan(w http.ResponseWriter, r *http.Request) {
	request, ok := f.request(w, r)
	if !ok {
		return
	}
	if request.Mode == policy.Enforce {
		f.refuseRun(w, r, errors.New("a plan deletes nothing: leave mode out, or POST the request to /v1/sweeps"))
		return
	}
	request.Mode = policy.DryRun
	writeReport(w, f.Sweep(r.Context(), CallOf(r), request))
}

// postApply deletes what a plan names and has still expired.
func (f *Function) postApply(w http.ResponseWriter, r *http.Request) {
	request := &trigger.Request{Trigger: trigger.HTTP, Mode: policy.Enforce, Plan: r.PathValue("id"), Anyway: parameter(r, "anyway") == "true"}
	writeReport(w, f.Sweep(r.Context(), CallOf(r), request))
}

// postRestore adds the media that a run deleted again, or says what it would add.
func (f *Function) postRestore(w http.ResponseWriter, r *http.Request) {
	request := &trigger.Request{Trigger: trigger.HTTP, Restore: r.PathValue("run"), DryRun: parameter(r, "dryRun") == "true"}
	if only := parameter(r, "only"); only != "" {
		request.Only = strings.Split(only, ",")
	}
	writeReport(w, f.Sweep(r.Context(), CallOf(r), request))
}

// getPlans answers a page of plans. The header Link has the address of the next page.
func (f *Function) getPlans(w http.ResponseWriter, r *http.Request) {
	list, err := f.Plans(r.Context(), CallOf(r), parameter(r, "before"))
	if err == nil {
		linkNext(w, r, list.Next)
	}
	writeList(w, "plan", list.Plans, list.Notes, err)
}

// linkNext links the page of a list that begins before a value; there is none if it is empty.
func linkNext(w http.ResponseWriter, r *http.Request, before string) {
	if query := r.URL.Query(); before != "" {
		query.Set("before", before)
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.EscapedPath(), query.Encode()))
	}
}

// notesHeader names the records that a list skipped, and has the notes on a hold. The list itself is a
// JSON array.
const notesHeader = "X-Mediasweep-Notes"

func writeList(w http.ResponseWriter, kind string, list any, skipped []string, err error) {
	if err != nil {
		writeError(w, kind, "", err)
		return
	}
	noteSkipped(w, skipped)
	writeJSON(w, http.StatusOK, list)
}

func noteSkipped(w http.ResponseWriter, skipped []string) {
	if len(skipped) > 0 {
		notes := strconv.QuoteToASCII(text.Bound(strings.Join(skipped, "; ")))
		w.Header().Set(notesHeader, notes[1:len(notes)-1])
	}
}

func (f *Function) getPlan(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if parameter(r, "format") == "csv" {
		contents, items, err := f.Items(r.Context(), CallOf(r), id)
		if err != nil {
			writeError(w, "plan", id, err)
			return
		}
		f.writeCSV(w, r, "plan-"+strings.TrimPrefix(contents.ID, "sha256:"), render.Plan{Contents: contents, Items: items}.CSV)
		return
	}
	contents, entries, err := f.Entries(r.Context(), CallOf(r), id)
	if err != nil {
		writeError(w, "plan", id, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := render.WritePlanJSON(w, contents, entries); err != nil {
		// Too late for a status: an answer that breaks off is no plan.
		f.Log().Error("a plan cannot be read", "plan", id, "error", err.Error())
		panic(http.ErrAbortHandler)
	}
}

// writeCSV answers CSV under the name of a file. A browser saves it. FC takes "attachment" from no
// function, and adds it on its own domains. Source: FC custom runtime, "Limits on HTTP responses".
func (f *Function) writeCSV(w http.ResponseWriter, r *http.Request, name string, write func(*render.CSV) error) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `inline; filename="`+name+`.csv"`)
	if err := write(render.NewCSV(reader{w}, parameter(r, "excel") == "true")); err != nil {
		f.Log().Error("records cannot be read", "of", name, "error", err.Error())
		panic(http.ErrAbortHandler) // as in getPlan
	}
}

// reader takes everything: one who has gone is no fault of the records.
type reader struct{ io.Writer }

func (r reader) Write(p []byte) (int, error) {
	_, _ = r.Writer.Write(p)
	return len(p), nil
}

func (f *Function) getExplain(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if err := media.CheckID(id); err != nil {
		writeFailure(w, http.StatusBadRequest, fmt.Sprintf("%s: %v: GET /v1/media/{id}/history takes an object too", text.Quote(id), err))
		return
	}
	list, looked := f.Explain(r.Context(), CallOf(r), &trigger.Request{Trigger: trigger.HTTP, MediaIDs: []string{id}})
	switch {
	case looked.Status == report.Failed, len(list) == 0 && looked.Status != report.Partial:
		writeJSON(w, surveyStatus(looked), looked)
	case len(list) == 0: // what could not be looked at is all that was asked for
		writeJSON(w, http.StatusBadGateway, looked)
	default:
		writeJSON(w, surveyStatus(looked), list[0])
	}
}

// getHistory answers every decision to delete a medium. The ID may be an escaped oss://bucket/key.
func (f *Function) getHistory(w http.ResponseWriter, r *http.Request) {
	found, err := f.History(r.Context(), CallOf(r), r.PathValue("id"))
	switch {
	case err != nil:
		writeError(w, "medium", "", err)
	case len(found.Unread) > 0:
		writeJSON(w, http.StatusPartialContent, found)
	default:
		writeJSON(w, http.StatusOK, found)
	}
}

// surveyStatus returns the HTTP status of a survey: 200 for a whole one, 206 for a part,
// and 503 if its time was up.
func surveyStatus(r *report.Report) int {
	switch r.Status {
	case report.Partial:
		return http.StatusPartialContent
	case report.Incomplete, report.Busy:
		return http.StatusServiceUnavailable
	case report.Done, report.Blocked, report.Failed:
	}
	return r.HTTPStatus()
}

func (f *Function) getForecast(w http.ResponseWriter, r *http.Request) {
	days := 30
	if written := parameter(r, "days"); written != "" {
		n, err := text.Decimal(written)
		switch {
		case err != nil:
			writeFailure(w, http.StatusBadRequest, "days: "+err.Error())
			return
		case n < 1 || n > retention.MaxForecastDays:
			writeFailure(w, http.StatusBadRequest, fmt.Sprintf("days %d: a forecast has 1 to %d days", n, retention.MaxForecastDays))
			return
		}
		days = int(n)
	}
	forecast, looked := f.Forecast(r.Context(), CallOf(r), trigger.HTTP, days)
	if looked.Status != report.Done && looked.Status != report.Partial {
		if looked.Status == report.Incomplete {
			looked.Notes = append(looked.Notes, "a forecast looks at the whole inventory: raise the function's timeout, or run mediasweep forecast")
		}
		writeJSON(w, surveyStatus(looked), looked)
		return
	}
	writeJSON(w, surveyStatus(looked), report.NewForecast(forecast, looked))
}

// writeError answers with why the state store did not give a run, a plan, or their list (without an ID).
func writeError(w http.ResponseWriter, kind, id string, err error) {
	unreported, isUnreported := errors.AsType[*runlog.UnreportedError](err)
	switch {
	case isUnreported:
		writeFailure(w, http.StatusNotFound, unreported.Error())
	case errors.Is(err, state.ErrNotFound):
		writeFailure(w, http.StatusNotFound, trigger.NoSuch(kind, id, "GET /v1/"+kind+"s lists the latest", "POST /v1/plans makes one"))
	case service.IsRefusal(err):
		writeFailure(w, http.StatusBadRequest, err.Error())
	case deadline.Passed(err):
		writeFailure(w, http.StatusServiceUnavailable, service.OutOfTime)
	default:
		writeFailure(w, http.StatusBadGateway, err.Error())
	}
}
