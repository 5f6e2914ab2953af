package console

import (
	"net/http"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

type mediumData struct {
	Query        string
	Explanations []*retention.Explanation
	History      *history.History
	Trouble      []string
}

// medium explains a medium, and shows its history.
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
	scope, names := trigger.Names(d.Query)
	request, err := trigger.NewRequest(map[string]any{scope: names}, p.Trigger)
	if err != nil {
		return nil, badQuery(err.Error())
	}
	list, looked := p.Service.Explain(r.Context(), p.Call(r), request)
	d.Explanations = list
	if looked.Status != report.Done {
		d.Trouble = append(d.Trouble, looked.Problem())
	}
	if d.History, err = p.Service.History(r.Context(), p.Call(r), d.Query); err != nil {
		return nil, err
	}
	d.Trouble = append(append(d.Trouble, d.History.Notes...), d.History.Unread...)
	return answer, nil
}
