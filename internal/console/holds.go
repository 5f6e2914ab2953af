package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

type holdings interface {
	Holds(ctx context.Context, call service.Call) ([]retention.Hold, []string, error)
	Hold(ctx context.Context, call service.Call, request trigger.HoldRequest) (retention.Hold, error)
	HoldNotes(ctx context.Context, call service.Call, hold retention.Hold) []string
	Release(ctx context.Context, call service.Call, id string) (retention.Hold, error)
}

// heldForm is what a person typed into a form that was refused, and why it was.
type heldForm struct {
	Target, Until, Reason string
	Problem               any
}

type holdsData struct {
	List  []retention.Hold
	Notes []string
	Form  heldForm
	// MaxReason bounds the reason of a hold, in characters.
	MaxReason int
}

// placedName is the parameter that names the hold that a form has placed.
const placedName = "placed"

// holds lists the holds in force, with notes on a new one.
func (p *pages) holds(r *http.Request) (*page, error) {
	list, notes, err := p.Service.Holds(r.Context(), p.Call(r))
	if err != nil {
		return nil, err
	}
	placed := r.URL.Query().Get(placedName)
	if i := slices.IndexFunc(list, func(h retention.Hold) bool { return h.ID == placed }); i >= 0 {
		notes = p.Service.HoldNotes(r.Context(), p.Call(r), list[i])
	}
	return &page{name: "holds", title: "Holds", data: &holdsData{List: list, Notes: notes, MaxReason: retention.MaxHoldReason}}, nil
}

// holdOf reads the hold of a form. One without a last day lasts until its release.
func holdOf(r *http.Request) trigger.HoldRequest {
	return trigger.HoldRequest{Target: r.PostFormValue("target"), Until: cmp.Or(r.PostFormValue("until"), "forever"), Reason: strings.TrimSpace(r.PostFormValue("reason"))}
}

func (p *pages) placeHold(r *http.Request) (string, error) {
	hold, err := p.Service.Hold(r.Context(), p.Call(r), holdOf(r))
	if err != nil {
		return "", p.typedAgain(r, err, p.holds)
	}
	return "/holds?" + url.Values{placedName: {hold.ID}}.Encode(), nil
}

// typedAgain returns the page of a form that was refused, with the reason and with what the person typed.
func (p *pages) typedAgain(r *http.Request, refused error, of func(*http.Request) (*page, error)) error {
	again, err := of(r)
	if err != nil || again.goTo != "" {
		return refused
	}
	problem := p.problem(r, refused)
	form := heldForm{r.PostFormValue("target"), r.PostFormValue("until"), r.PostFormValue("reason"), problem.data}
	switch d := again.data.(type) {
	case *holdsData:
		d.Form = form
	case *reviewData:
		d.Form = form
		for i := range d.Rows {
			d.Rows[i].Marked = slices.Contains(r.PostForm["m"], d.Rows[i].MediaID)
		}
	}
	again.status, again.refresh = problem.status, ""
	return notDone{again}
}

func (p *pages) release(r *http.Request) (string, error) {
	if _, err := p.Service.Release(r.Context(), p.Call(r), r.PathValue("hold")); err != nil {
		return "", p.missing(r, err, "Hold %s is not in force.", text.Quote(r.PathValue("hold")))
	}
	return "/holds", nil
}
