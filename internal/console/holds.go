package console

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// holdings are the holds that people place and release.
type holdings interface {
	Holds(ctx context.Context, call service.Call) ([]retention.Hold, []string, error)
	Hold(ctx context.Context, call service.Call, request trigger.HoldRequest) (retention.Hold, []string, error)
	Release(ctx context.Context, call service.Call, id string) (retention.Hold, error)
}

type holdsData struct {
	List  []retention.Hold
	Notes []string
}

func (p *pages) holds(r *http.Request) (*page, error) { return p.listHolds(r) }

// listHolds lists the holds in force, with notes about a new one.
func (p *pages) listHolds(r *http.Request, notes ...string) (*page, error) {
	list, skipped, err := p.Service.Holds(r.Context(), p.Call(r))
	if err != nil {
		return nil, err
	}
	return &page{name: "holds", title: "Holds", data: holdsData{list, append(skipped, notes...)}}, nil
}

// holdOf reads the hold of a form. One without a last day lasts until its release.
func holdOf(r *http.Request) trigger.HoldRequest {
	return trigger.HoldRequest{Target: r.PostFormValue("target"), Until: cmp.Or(r.PostFormValue("until"), "forever"), Reason: strings.TrimSpace(r.PostFormValue("reason"))}
}

func (p *pages) placeHold(r *http.Request) (*page, error) {
	_, notes, err := p.Service.Hold(r.Context(), p.Call(r), holdOf(r))
	if err != nil {
		return nil, err
	}
	if len(notes) == 0 {
		return redirect("/holds")
	}
	return p.listHolds(r, notes...)
}

func (p *pages) release(r *http.Request) (*page, error) {
	if _, err := p.Service.Release(r.Context(), p.Call(r), r.PathValue("hold")); err != nil {
		return nil, p.missing(r, err, "Hold %s is not in force.", r.PathValue("hold"))
	}
	return redirect("/holds")
}
