package handler

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// getRuns answers a page of runs. The header Link has the address of the next page.
func (f *Function) getRuns(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	filter, err := runFilter(query)
	if err != nil {
		writeFailure(w, http.StatusBadRequest, err.Error())
		return
	}
	list, err := f.Runs(r.Context(), callOf(r), filter)
	if err == nil {
		linkNext(w, r, list.Next)
	}
	if err != nil || query.Get("format") != "csv" {
		writeList(w, "run", list.Reports, list.Notes, err)
		return
	}
	noteSkipped(w, list.Notes)
	runs := make([]render.Run, len(list.Reports))
	for i, one := range list.Reports {
		runs[i].Report = one
	}
	f.writeCSV(w, r, "runs", func(c *render.CSV) error { return render.WriteRunsCSV(c, runs) })
}

// runFilter reads the parameters of a list of runs.
func runFilter(query url.Values) (service.RunFilter, error) {
	value := func(name string) string { return strings.Join(query[name], ",") }
	f := service.RunFilter{Trigger: value("trigger"), Status: value("status"), Since: value("since"), Before: value("before"), Limit: service.DefaultRuns}
	if query.Has("limit") {
		n, err := text.Decimal(value("limit"))
		if err != nil {
			return f, fmt.Errorf("limit %s: %w", text.Quote(value("limit")), err)
		}
		f.Limit = int(n)
	}
	return f, nil
}

func (f *Function) getRun(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("run")
	run, err := f.Run(r.Context(), callOf(r), id)
	switch {
	case err != nil:
		writeError(w, "run", id, err)
	case r.URL.Query().Get("format") != "csv":
		writeJSON(w, http.StatusOK, run)
	case run.Restore != nil:
		results, err := f.RestoredBy(r.Context(), callOf(r), run)
		if err != nil {
			writeError(w, "run", id, err)
			return
		}
		f.writeCSV(w, r, "run-"+state.SafeName(run.Run), func(c *render.CSV) error { return render.WriteRestoredCSV(c, results) })
	default:
		contents, items, err := f.Decisions(r.Context(), callOf(r), run)
		switch {
		case errors.Is(err, service.ErrNoPlan):
			writeFailure(w, http.StatusNotFound, err.Error())
		case err != nil:
			writeError(w, "plan", run.Plan, err)
		default:
			f.writeCSV(w, r, "run-"+state.SafeName(run.Run), render.Plan{Contents: contents, Items: items}.CSV)
		}
	}
}
