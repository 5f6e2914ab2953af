package console

import (
	"context"
	"net/http"
	"slices"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// explainer says what becomes of media, and what was done to them.
type explainer interface {
	Explain(ctx context.Context, call service.Call, request *trigger.Request) ([]*retention.Explanation, *report.Report)
	History(ctx context.Context, call service.Call, name string) (*history.History, error)
}

type mediumData struct {
	Query        string
	Explanations []*retention.Explanation
	History      *history.History
	Trouble      []string
}

func (p *pages) medium(r *http.Request) (*page, error) {
	query, err := p.query(r, "id")
	if err != nil {
		return nil, err
	}
	d := mediumData{Query: query.Get("id")}
	answer := &page{name: "medium", title: "Medium", data: &d}
	if d.Query == "" {
		return answer, nil
	}
	request, err := trigger.Named(p.Trigger, d.Query)
	if err != nil {
		answer.status, d.Trouble = http.StatusBadRequest, []string{err.Error()} // the name stays in its field
		return answer, nil                                                      //nolint:nilerr // the page says why
	}
	list, looked := p.Service.Explain(r.Context(), p.Call(r), request)
	d.Explanations = list
	if looked.Status != report.Done {
		d.Trouble = append(d.Trouble, looked.Problem())
	}
	if d.History, err = p.Service.History(r.Context(), p.Call(r), d.Query); err != nil {
		return nil, err
	}
	for _, note := range slices.Concat(d.History.Notes, d.History.Unread) {
		if !slices.ContainsFunc(list, func(e *retention.Explanation) bool { return slices.Contains(e.Notes, note) }) {
			d.Trouble = append(d.Trouble, note)
		}
	}
	return answer, nil
}
