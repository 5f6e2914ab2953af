package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

const (
	pageItems = 100
	// maxFacets is the number of values that a facet lists.
	maxFacets = 12
)

type reviewData struct {
	Plan     plan.Contents
	DryRun   bool   // the policy allows no deletion
	Notice   string // of the policy, which an approval overrides; empty if it has none
	Refused  string // why the plan may not be approved, nor a plan be made of its rest
	LeftOut  int    // media of the plan that this one was made from
	Path     string
	Filter   review.Filter
	Sort     string
	Filtered bool

	// Reading is true while the plan is being read: then the page has its first media, and nothing to act on.
	Reading bool
	Sum     review.Sum
	Digest  string
	Rows    []reviewRow
	Facets  []facet
	Heads   []sortHead
	Rest    string // the query without the search

	From, To, Page    int
	Next, Previous    string
	CSV, Excel, Clear string
	Hold              string // the address of the form that holds what is filtered
	Trouble           []string
	Form              heldForm
	MaxReason         int // see holdsData
}

type reviewRow struct {
	review.Item
	Size, Duration, Created, Age, Reason, Held string
	Marked                                     bool // selected in a form that was refused
}

// facet is a property with the values that the selected media have.
type facet struct {
	Name   string
	Values []facetValue
	Others int
	Clear  string // the address without a choice; empty if none was made
}

type facetValue struct {
	Name, To string
	review.Sum
}

type sortHead struct {
	Name, To, Order string
	Right           bool
}

func (p *pages) review(r *http.Request) (*page, error) {
	f, order, number, err := p.filterOf(r, "page")
	if err != nil {
		return nil, err
	}
	var contents plan.Contents
	var list *review.List
	var rows []review.Item
	if reference := r.PathValue("plan"); p.Runs != nil && r.URL.RawQuery == "" {
		contents, list, rows, err = p.reviews.soon(r.Context(), p.Runs, p.Call(r), reference)
	} else {
		contents, list, err = p.reviews.of(r.Context(), p.Call(r), reference)
	}
	if err != nil {
		return nil, p.noPlan(r, err)
	}
	if contents.ID != r.PathValue("plan") { // a page is of one plan, whatever is the latest
		return redirect("/plans/" + contents.ID + address(f, order, number))
	}
	answer := &page{name: "review", title: "Plan"}
	d := &reviewData{
		Plan: contents, Path: "/plans/" + contents.ID, Filter: f, Sort: order, Filtered: f != review.Filter{}, Reading: list == nil, Sum: review.Sum{Media: contents.Entries},
		Page: number, MaxReason: retention.MaxHoldReason, Clear: address(review.Filter{}, order, 1),
	}
	if d.Reading {
		answer.refresh = "1; url=?page=1" // a query waits for the whole plan
	} else {
		selected := list.Select(f)
		d.Sum, d.Digest = selected.Sum, selected.Digest()
		d.Page = min(number, max(1, (selected.Media+pageItems-1)/pageItems))
		d.facets(p.lang(r), selected)
		selected.Sort(order)
		rows = selected.Page(d.Page, pageItems)
	}
	zone := p.fillVerdict(r, d)
	if err := p.fillRows(r, d, rows, zone); err != nil {
		return nil, err
	}
	d.links()
	if of := contents.Head.Scope.Plan; of != "" {
		if before, _, err := p.Service.Items(r.Context(), p.Call(r), of); err == nil {
			d.LeftOut = before.Entries - contents.Entries
		}
	}
	answer.data, answer.zone = d, zone
	return answer, nil
}

// noPlan says what to do if an address names no plan.
func (p *pages) noPlan(r *http.Request, err error) error {
	if r.PathValue("plan") == trigger.LatestPlan {
		return p.missing(r, err, "There is no plan with media yet: make one on the page of plans.")
	}
	return p.missing(r, err, "There is no plan %s.", text.Quote(r.PathValue("plan")))
}

// fillVerdict says whether the plan may be approved, and returns the timezone of the policy.
func (p *pages) fillVerdict(r *http.Request, d *reviewData) *time.Location {
	found, err := p.Service.Policy(r.Context(), p.Call(r))
	if err != nil { // every run is refused
		d.Refused = text.Bound(err.Error())
		zone, notes := p.Service.Zone(r.Context(), p.Call(r))
		d.Trouble = notes
		return zone
	}
	d.DryRun = found.Mode != policy.Enforce
	if !found.Notice.IsZero() {
		d.Notice = found.Notice.String()
	}
	if err := service.CheckAge(found, d.Plan.Head, p.Now()); err != nil {
		d.Refused = err.Error()
	}
	return found.Timezone
}

func (p *pages) fillRows(r *http.Request, d *reviewData, items []review.Item, zone *time.Location) error {
	holds, skipped, err := p.Service.Holds(r.Context(), p.Call(r))
	if err != nil {
		return err
	}
	d.Trouble = append(d.Trouble, skipped...)
	held, err := retention.NewHolds(holds)
	if err != nil {
		return err
	}
	view := render.View{AsOf: d.Plan.Head.AsOf, Zone: zone}
	for n := range items {
		i := &items[n]
		row := reviewRow{Item: *i, Size: render.Size(i), Duration: render.Duration(i), Created: view.Date(i.Created), Reason: render.Reason(i, view)}
		if days, ok := i.Days(view.AsOf); ok {
			row.Age = p.lang(r).Say("%d d", days)
		}
		object, _ := media.ParseObject(i.Object) // zero for none
		if hold := held.Mark(&media.Medium{ID: i.MediaID, Object: object}, retention.Mark{}).Hold; hold != nil {
			row.Held = hold.Reason
		}
		d.Rows = append(d.Rows, row)
	}
	d.From = (d.Page-1)*pageItems + 1
	d.To = d.From + len(d.Rows) - 1
	return nil
}

// links adds the addresses of other pages and orders.
func (d *reviewData) links() {
	if d.To < d.Sum.Media {
		d.Next = address(d.Filter, d.Sort, d.Page+1)
	}
	if d.Page > 1 {
		d.Previous = address(d.Filter, d.Sort, d.Page-1)
	}
	rest := d.Filter
	rest.Search = ""
	d.Rest = strings.TrimPrefix(address(rest, d.Sort, 1), "?")
	d.Hold = d.Path + "/hold" + address(d.Filter, d.Sort, d.Page)
	d.CSV = d.Path + "/csv" + address(d.Filter, d.Sort, 1)
	d.Excel = d.CSV + "&excel=true"
	for _, name := range review.Sorts() {
		head := sortHead{Name: name, To: address(d.Filter, name, 1), Right: name == "size" || name == "duration"}
		switch d.Sort {
		case name:
			head.To, head.Order = address(d.Filter, "-"+name, 1), "ascending"
		case "-" + name:
			head.To, head.Order = address(d.Filter, name, 1), "descending"
		}
		d.Heads = append(d.Heads, head)
	}
}

// facets adds the values of each facet. A choice narrows the selection.
func (d *reviewData) facets(lang words.Lang, s *review.Selection) {
	with := func(name, value string) review.Filter {
		f := d.Filter
		*fields(&f)[name] = value
		return f
	}
	add := func(heading, name string, groups review.Groups, show func(string) string) {
		one := facet{Name: lang.Say(heading)}
		list := groups.Largest()
		if name == "age" {
			slices.SortStableFunc(list, func(a, b review.Group) int {
				return slices.Index(review.Ages(), a.Name) - slices.Index(review.Ages(), b.Name)
			})
		}
		for _, group := range list[:min(len(list), maxFacets)] {
			value := facetValue{Name: text.Line(show(group.Name)), Sum: group.Sum}
			if f := with(name, group.Name); f != d.Filter && group.Name != "" {
				value.To = address(f, d.Sort, 1)
			}
			one.Values = append(one.Values, value)
		}
		one.Others = max(0, len(list)-maxFacets)
		if f := with(name, ""); f != d.Filter {
			one.Clear = address(f, d.Sort, 1)
		}
		d.Facets = append(d.Facets, one)
	}
	same := func(s string) string { return s }
	add("Rule", "rule", s.Rules, same)
	add("Folder", "folder", s.Folders, func(name string) string {
		if name == "" {
			return lang.Say("no object")
		}
		return strings.TrimPrefix(name, "oss://")
	})
	add("Tag", "tag", s.Tags, same)
	add("Age", "age", s.Ages, func(class string) string { return ageName(lang, class) })
	add("State", "state", s.States, same)
}

func ageName(lang words.Lang, class string) string {
	first, last, ok := review.AgeRange(class)
	switch {
	case ok:
		return lang.Say("%d to %d days", first, last)
	case class == "more":
		return lang.Say("more than 730 days")
	}
	return lang.Say("unknown")
}

func (p *pages) export(w http.ResponseWriter, r *http.Request) {
	f, order, _, err := p.filterOf(r, "excel")
	if err == nil {
		err = p.oneOf(r, r.URL.Query(), "excel", "true")
	}
	if err != nil {
		p.write(w, r, p.problem(r, err))
		return
	}
	contents, list, err := p.reviews.of(r.Context(), p.Call(r), r.PathValue("plan"))
	if err != nil {
		p.write(w, r, p.problem(r, p.noPlan(r, err)))
		return
	}
	selected := list.Select(f)
	selected.Sort(order)
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`inline; filename="plan-%s.csv"`, trigger.ShortPlan(contents.ID)))
	csv := render.NewCSV(w, r.URL.Query().Get("excel") == "true")
	_ = render.Plan{Contents: contents, Items: selected.All()}.CSV(csv) // the caller has gone
}
