package console

import (
	"net/http"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

type policyData struct {
	*policy.Policy
	Lines    []string
	Warnings []policy.Warning
	YAML     string
}

func (p *pages) policy(r *http.Request) (*page, error) {
	found, err := p.Service.Policy(r.Context(), p.Call(r))
	if err != nil {
		return nil, err
	}
	return &page{name: "policy", title: "Policy", data: policyData{found, found.Describe(p.lang(r)), found.Lint(), text.Printable(string(found.Text()))}}, nil
}
