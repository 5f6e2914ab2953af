package console

import (
	"net/http"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

type plansData struct {
	List  []plan.Contents
	Notes []string
}

// plans lists the latest plans.
func (p *pages) plans(r *http.Request) (*page, error) {
	list, notes, err := p.Service.Plans(r.Context(), p.Call(r))
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		p.reviews.readAhead(p.Runs, p.Call(r), list[0].ID)
	}
	return &page{name: "plans", title: "Plans", data: plansData{list, notes}}, nil
}

// makePlan makes a plan of the policy's inventory.
func (p *pages) makePlan(r *http.Request) (*page, error) {
	return p.carryOut(r, &trigger.Request{Trigger: p.Trigger, Mode: policy.DryRun, Inventory: true})
}
