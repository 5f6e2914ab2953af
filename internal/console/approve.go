package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// apply deletes the media of a plan whose number was typed.
func (p *pages) apply(r *http.Request) (string, error) {
	contents, _, err := p.Service.Items(r.Context(), p.Call(r), r.PathValue("plan"))
	if err != nil {
		return "", p.noPlan(r, err)
	}
	if contents.ID != r.PathValue("plan") {
		return "", p.refuse(r, "Approve a plan by its whole ID. Nothing was deleted.")
	}
	typed := strings.TrimSpace(strings.Join(r.PostForm["count"], ",")) // two fields are two numbers
	if typed != strconv.Itoa(contents.Entries) {
		return "", p.refuse(r, "The plan has %d media, and %s was typed. Nothing was deleted.", contents.Entries, text.Quote(typed))
	}
	return p.carryOut(r, &trigger.Request{Trigger: p.Trigger, Mode: policy.Enforce, Plan: contents.ID})
}

// holdMedia holds the selected media of a plan, or all that a filter selects, and makes a plan of the rest.
func (p *pages) holdMedia(r *http.Request) (string, error) {
	rest, err := p.holdAndPlan(r)
	if err != nil {
		err = p.typedAgain(r, err, p.review)
	}
	return rest, err
}

func (p *pages) holdAndPlan(r *http.Request) (string, error) {
	contents, list, err := p.reviews.of(r.Context(), p.Call(r), r.PathValue("plan"))
	if err != nil {
		return "", p.noPlan(r, err)
	}
	found, err := p.Service.Policy(r.Context(), p.Call(r))
	if err != nil {
		return "", err
	}
	if err := service.CheckAge(found, contents.Head, p.Now()); err != nil { // the new plan would be of today's policy
		return "", refusal{http.StatusConflict, err.Error()}
	}
	ids, err := p.chosen(r, list)
	if err != nil {
		return "", err
	}
	hold := holdOf(r)
	if hold.Reason == "" {
		return "", p.refuse(r, "A hold needs a reason. Nothing was held.")
	}
	if hold.Media = ids; len(ids) == 1 {
		hold.Target, hold.Media = ids[0], nil
	}
	select { // a form may be sent twice at once
	case p.holding <- struct{}{}:
		defer func() { <-p.holding }()
	case <-r.Context().Done():
		return "", context.Cause(r.Context())
	}
	wanted := retention.Hold{Target: hold.Target, Media: hold.Media, Reason: hold.Reason}
	wanted.Until, _ = retention.HoldEnd(hold.Until, found.Timezone, p.Now()) // Hold refuses a wrong one
	switch again, rest, err := p.heldBefore(r, contents, wanted); {
	case err != nil:
		return "", err
	case rest != "":
		return "/plans/" + rest, nil
	case !again:
		if _, err := p.Service.Hold(r.Context(), p.Call(r), hold); err != nil {
			return "", err
		}
	}
	return p.planAgain(r, contents, len(ids))
}

// chosen returns the media that a form selects, in order.
func (p *pages) chosen(r *http.Request, list *review.List) ([]string, error) {
	f, _, _, err := p.filterOf(r, "page") // of the address: a browser changes line feeds in the fields of a form
	if err != nil {
		return nil, err
	}
	selected := list.Select(f)
	ids := selected.IDs()
	switch r.PostForm.Get("which") {
	case "all":
		if r.PostForm.Get("shown") != strconv.Itoa(len(ids)) || r.PostForm.Get("digest") != selected.Digest() {
			return nil, p.refuse(r, "The filter selects other media than the page showed. Nothing was held: look again.")
		}
	case "selected":
		marked := r.PostForm["m"]
		for _, id := range marked {
			if _, ok := slices.BinarySearch(ids, id); !ok { // they are in the order of the plan
				return nil, p.refuse(r, "Medium %s is not among those that the page showed. Nothing was held: look again.", text.Quote(id))
			}
		}
		ids = slices.Compact(slices.Sorted(slices.Values(marked)))
	default:
		return nil, p.refuse(r, "Select media, or hold all.")
	}
	switch {
	case len(ids) == 0:
		return nil, p.refuse(r, "No medium is selected. Nothing was held.")
	case len(ids) > retention.MaxHoldMedia:
		return nil, p.refuse(r, "%d media are selected, and one action holds at most %d. Hold a folder by a glob, or narrow the filter.", len(ids), retention.MaxHoldMedia)
	}
	return ids, nil
}

// heldBefore reports whether a hold is in force already, whoever placed it, and names the plan that was made after
// it of the rest.
func (p *pages) heldBefore(r *http.Request, of plan.Contents, wanted retention.Hold) (again bool, rest string, err error) {
	list, _, err := p.Service.Holds(r.Context(), p.Call(r))
	if err != nil {
		return false, "", err
	}
	i := slices.IndexFunc(list, func(h retention.Hold) bool {
		wanted.By = h.By
		return h.Says(&wanted)
	})
	if i < 0 {
		return false, "", nil
	}
	latest, err := p.Service.Plans(r.Context(), p.Call(r), "")
	for _, made := range latest.Plans {
		if made.Head.Scope.Plan == of.ID && made.Run == "" && !made.Head.AsOf.Before(list[i].At.Truncate(time.Second)) {
			return true, made.ID, err
		}
	}
	return true, "", err
}

// maxWait is the number of media of a plan that a person waits for: they are read again in seconds.
const maxWait = 5000

// planAgain makes a plan of what is left of a plan, and returns its address.
func (p *pages) planAgain(r *http.Request, of plan.Contents, held int) (string, error) {
	request := &trigger.Request{Trigger: p.Trigger, Mode: policy.DryRun, Plan: of.ID}
	if p.Runs != nil && of.Entries > maxWait {
		return p.carryOut(r, request)
	}
	done := p.Service.Sweep(r.Context(), p.Call(r), request)
	if done.Status != report.Done && done.Status != report.Partial {
		return "", fmt.Errorf("%d media were held, but no new plan could be made: %s", held, done.Problem())
	}
	if done.Counts.Expired == 0 {
		return "/runs/" + url.PathEscape(done.Run), nil
	}
	return "/plans/" + done.Plan, nil
}
