package console

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

type planLists interface {
	Plans(ctx context.Context, call service.Call, before string) (service.PlanList, error)
	Items(ctx context.Context, call service.Call, reference string) (plan.Contents, iter.Seq2[review.Item, error], error)
}

type plansData struct {
	service.PlanList

	NextPage string // address of the next page
}

func (p *pages) plans(r *http.Request) (*page, error) {
	query, err := p.query(r, "before")
	if err != nil {
		return nil, err
	}
	list, err := p.Service.Plans(r.Context(), p.Call(r), query.Get("before"))
	if err != nil {
		return nil, err
	}
	data := plansData{PlanList: list}
	if list.Next != "" {
		data.NextPage = "/plans?" + url.Values{"before": {list.Next}}.Encode()
	}
	if len(list.Plans) > 0 {
		p.reviews.readAhead(p.Runs, p.Call(r), list.Plans[0].ID)
	}
	return &page{name: "plans", title: "Plans", data: data}, nil
}

func (p *pages) makePlan(r *http.Request) (string, error) {
	return p.carryOut(r, &trigger.Request{Trigger: p.Trigger, Mode: policy.DryRun, Inventory: true})
}
