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
	filter, asCSV, err := runFilter(query)
	if err != nil {
		writeFailure(w, http.StatusBadRequest, err.Error())
		return
	}
	list, err := f.Runs(r.Context(), callOf(r), filter)
	if err == nil && list.Next != "" {
		query.Set("before", list.Next)
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.EscapedPath(), query.Encode()))
	}
	if err != nil || !asCSV {
		writeList(w, "run", list.Reports, list.Notes, err)
		return
	}
	noteSkipped(w, list.Notes)
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `inline; filename="runs.csv"`)
	_ = render.WriteRunsCSV(render.NewCSV(w, false), list.Reports) // the caller has gone
}

// runFilter reads the parameters of a list of runs.
func runFilter(query url.Values) (f service.RunFilter, asCSV bool, err error) {
	f.Limit = service.DefaultRuns
	for name, values := range query {
		value := strings.Join(values, ",")
		switch name {
		case "trigger":
			f.Trigger = value
		case "status":
			f.Status = value
		case "since":
			f.Since = value
		case "before":
			f.Before = value
		case "limit":
			n, problem := text.Decimal(value)
			if f.Limit = int(n); problem != nil {
				err = errors.Join(err, fmt.Errorf("limit %s: %w", text.Quote(value), problem))
			}
		case "format":
			if asCSV = value == "csv"; !asCSV && value != "json" {
				err = errors.Join(err, fmt.Errorf("format %s is neither json nor csv", text.Quote(value)))
			}
		case "excel": // writeCSV reads it
			if value != "true" && value != "false" {
				err = errors.Join(err, fmt.Errorf("excel %s is neither true nor false", text.Quote(value)))
			}
		default:
			err = errors.Join(err, fmt.Errorf("there is no parameter %s: this route takes trigger, status, since, before, limit, format and excel", text.Quote(name)))
		}
	}
	return f, asCSV, err
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
