package console

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/text"
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
		return nil, refusal(err.Error())
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

type holdsData struct {
	List  []retention.Hold
	Notes []string
}

// holds lists the holds in force.
func (p *pages) holds(r *http.Request) (*page, error) {
	list, skipped, err := p.Service.Holds(r.Context(), p.Call(r))
	if err != nil {
		return nil, err
	}
	return &page{name: "holds", title: "Holds", data: holdsData{list, skipped}}, nil
}

// holdOf reads the hold of a form. One without a last day lasts until its release.
func holdOf(r *http.Request) trigger.HoldRequest {
	return trigger.HoldRequest{Target: r.PostFormValue("target"), Until: cmp.Or(r.PostFormValue("until"), "forever"), Reason: strings.TrimSpace(r.PostFormValue("reason"))}
}

// placeHold places a hold.
func (p *pages) placeHold(r *http.Request) (*page, error) {
	_, notes, err := p.Service.Hold(r.Context(), p.Call(r), holdOf(r))
	if err != nil {
		return nil, err
	}
	answer, err := p.holds(r)
	if err != nil || len(notes) == 0 {
		return &page{goTo: "/holds"}, err
	}
	d := answer.data.(holdsData) //nolint:forcetypeassert // holds made it
	d.Notes = append(d.Notes, notes...)
	answer.data = d
	return answer, nil
}

// release ends a hold.
func (p *pages) release(r *http.Request) (*page, error) {
	if _, err := p.Service.Release(r.Context(), p.Call(r), r.PathValue("hold")); err != nil {
		return nil, err
	}
	return redirect("/holds")
}

type policyData struct {
	*policy.Policy
	Lines    []string
	Warnings []policy.Warning
	YAML     string
}

// policy shows the policy, what it says in words, and its warnings.
func (p *pages) policy(r *http.Request) (*page, error) {
	found, err := p.Service.Policy(r.Context(), p.Call(r))
	if err != nil {
		return nil, err
	}
	return &page{name: "policy", title: "Policy", data: policyData{found, found.Describe(p.lang(r)), found.Lint(), text.Printable(string(found.Text()))}}, nil
}
