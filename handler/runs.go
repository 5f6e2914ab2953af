package handler

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// getRuns answers a page of runs. The header Link has the address of the next page.
func (f *Function) getRuns(w http.ResponseWriter, r *http.Request) {
	filter, err := runFilter(r)
	if err != nil {
		writeFailure(w, http.StatusBadRequest, err.Error())
		return
	}
	list, err := f.Runs(r.Context(), CallOf(r), filter)
	if err == nil {
		linkNext(w, r, list.Next)
	}
	if err != nil || parameter(r, "format") != "csv" {
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

func runFilter(r *http.Request) (service.RunFilter, error) {
	f := service.RunFilter{
		Trigger: trigger.Kind(parameter(r, "trigger")), Status: report.Status(parameter(r, "status")), Since: parameter(r, "since"), Before: parameter(r, "before"), Limit: service.DefaultRuns,
	}
	if limit := parameter(r, "limit"); limit != "" {
		n, err := text.Decimal(limit)
		if err != nil {
			return f, fmt.Errorf("limit: %w", err)
		}
		f.Limit = int(n)
	}
	return f, nil
}

func (f *Function) getRun(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("run")
	run, err := f.Run(r.Context(), CallOf(r), id)
	switch {
	case err != nil:
		writeError(w, "run", id, err)
	case parameter(r, "format") != "csv":
		writeJSON(w, http.StatusOK, run)
	case run.Restore != nil:
		results, err := f.RestoredBy(r.Context(), CallOf(r), run)
		if err != nil {
			writeError(w, "run", id, err)
			return
		}
		f.writeCSV(w, r, "run-"+state.SafeName(run.Run), func(c *render.CSV) error { return render.WriteRestoredCSV(c, results) })
	default:
		contents, items, err := f.Decisions(r.Context(), CallOf(r), run)
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
