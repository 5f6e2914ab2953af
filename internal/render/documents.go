package render

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/text"
)

// maxRows is the number of media that a document lists.
const maxRows = 5000

// Document returns the plan as a document. It returns the error of reading the media.
func (p Plan) Document(e Edition) (*Document, error) {
	totals, largest := review.NewTotals(), &review.Largest{}
	var first []review.Item
	for item, err := range p.Items {
		if err != nil {
			return nil, err
		}
		totals.Add(&item)
		largest.Add(&item)
		if len(first) < maxRows {
			first = append(first, item)
		}
	}
	p.Zone = e.Zone
	doc, view := newDocument(e, e.Lang.Say("%d media are to be deleted", totals.Media)), p.view()
	doc.fact("plan", p.Contents.ID)
	doc.fact("as of", view.Time(p.Contents.Head.AsOf))
	doc.fact("policy", p.Contents.Head.Policy)
	doc.fact("blocked", e.Lang.Sentence(p.Contents.Blocked))
	if r := p.Report; r != nil {
		doc.fact("status", e.Lang.Say(string(r.Status)))
		doc.notes(append(r.Notes, r.Error, r.Guard.Reason, r.Next)...)
	}
	doc.groups("By rule", "rule", totals.Sum, totals.Rules.Largest(), review.Group{})
	folders, rest := totals.Folders.First(maxGroups)
	others := review.Group{Name: e.Lang.Say("%d other folders", len(totals.Folders)-maxGroups), Sum: rest}
	doc.groups("By folder", "folder", totals.Sum, folders, others)
	if items := largest.Items(); len(items) > 0 {
		doc.items(e.Lang.Say("Largest %d", len(items)), items, view)
	}
	s := doc.items(e.Lang.Say("Media"), first, view)
	if more := totals.Media - len(first); more > 0 {
		s.Text = e.Lang.Say("%d more are in the CSV: %s", more, "mediasweep plans "+p.Contents.ID+" -o csv")
	}
	return doc, nil
}

// groups adds a table of sums, with bars. Groups that it does not list are summed as others.
func (doc *Document) groups(heading, name string, total review.Sum, groups []review.Group, others review.Group) {
	s := doc.section(doc.lang.Say(heading), name, ">media", ">input", ">video", "")
	most := 0
	row := func(name string, sum review.Sum) {
		s.row(name, strconv.Itoa(sum.Media), Bytes(sum.Bytes), doc.lang.Say("%.1f h", sum.Hours()))
	}
	for _, group := range groups {
		most = max(most, group.Media)
	}
	for _, group := range groups {
		row(cmp.Or(group.Name, doc.lang.Say("no object")), group.Sum)
		s.bar(group.Media, most)
	}
	if others.Media > 0 {
		row(others.Name, others.Sum)
	}
	row(doc.lang.Say("total"), total)
}

func (doc *Document) items(heading string, items []review.Item, view View) *Section {
	shown := chosen("title", "object", "bytes", "videoSeconds", "created", "ageDays", "rule", "reason", "mediaId")
	s := doc.section(heading)
	for i := range shown {
		s.Columns = append(s.Columns, Column{doc.lang.Say(shown[i].title), shown[i].right})
	}
	for n := range items {
		cells := make([]string, len(shown))
		for i := range shown {
			if cells[i] = shown[i].text(&items[n], view); shown[i].name == "reason" {
				cells[i] = doc.lang.Sentence(cells[i])
			}
		}
		s.row(cells...)
	}
	return s
}

// ReportDocument returns a report as a document.
func ReportDocument(e Edition, r *report.Report) *Document {
	lang := e.Lang
	doc, view := newDocument(e, lang.Say("Run %s", r.Run)), View{r.AsOf, e.Zone}
	for _, f := range []Fact{
		{"status", lang.Say(string(r.Status))}, {"error", lang.Sentence(r.Error)}, {"trigger", lang.Say(string(r.Trigger))}, {"mode", lang.Say(string(r.Mode))}, {"as of", view.Time(r.AsOf)},
		{"started", view.Time(r.StartedAt)}, {"finished", view.Time(r.FinishedAt)}, {"plan", r.Plan}, {"policy", r.Policy}, {"blocked", lang.Sentence(r.Guard.Reason)},
	} {
		doc.fact(f.Name, f.Value)
	}
	doc.notes(append(append([]string{}, r.Notes...), r.Guard.Overridden, r.Next)...)
	if r.Restore != nil {
		doc.restore(r.Restore)
	} else {
		doc.counts(r)
	}
	if len(r.Failures) > 0 {
		s := doc.section(lang.Say("Failures"), "media ID", "object", "message")
		for _, f := range r.Failures {
			s.row(f.MediaID, f.Object, lang.Sentence(f.Message))
		}
	}
	return doc
}

func (doc *Document) counts(r *report.Report) {
	c := r.Counts
	s := doc.section(doc.lang.Say("Counts"), "", ">media")
	for _, line := range []struct {
		name  string
		count int
	}{
		{"looked at", c.Looked}, {"absent", c.Absent}, {"protected", c.Protected}, {"unknown", c.Unknown}, {"kept", c.Kept}, {"expired", c.Expired},
		{"deleted", c.Deleted}, {"gone", c.Gone}, {"failed", c.Failed}, {"unverified", c.Unverified}, {"pending", c.Pending}, {"announced", c.Announced},
		{"objects without a medium", c.ObjectsWithoutMedia},
	} {
		s.row(doc.lang.Say(line.name), strconv.Itoa(line.count))
	}
	if len(r.Rules) > 0 {
		s := doc.section(doc.lang.Say("Rules"), "rule", "kind", ">decided", ">expired", ">deleted")
		for _, rule := range r.Rules {
			s.row(rule.Name, doc.lang.Say(rule.Kind), strconv.Itoa(rule.Applied), strconv.Itoa(rule.Expired), strconv.Itoa(rule.Deleted))
		}
	}
	if len(r.Announced) > 0 {
		s := doc.section(doc.lang.Say("Announced"), "deleted from", ">media")
		for _, on := range r.Announced {
			s.row(on.Day, strconv.Itoa(on.Media))
		}
	}
}

func (doc *Document) restore(c *report.Restore) {
	s := doc.section(doc.lang.Say("Restored"), "result", "media ID", "new ID", "object", "reason")
	said := "%d restored, %d skipped, %d failed"
	if c.DryRun {
		said = "%d would be restored, %d skipped, %d failed"
	}
	s.Text = doc.lang.Say(said, c.Restored, c.Skipped, c.Failed)
	doc.fact("restore of", c.Of)
	for _, m := range c.Media {
		s.row(doc.lang.Say(string(m.Result)), m.MediaID, m.NewID, m.Object, doc.lang.Sentence(m.Reason))
	}
}

// ForecastDocument returns a forecast as a document.
func ForecastDocument(e Edition, f report.Forecast) *Document {
	doc := newDocument(e, e.Lang.Say("Forecast of %d days", len(f.Days)))
	doc.fact("as of", View{Zone: e.Zone}.Time(f.AsOf))
	doc.fact("timezone", f.Timezone)
	if f.Status != report.Done {
		doc.fact("incomplete", cmp.Or(e.Lang.Sentence(f.Error), e.Lang.Say(string(f.Status))))
	}
	doc.fact("due later", strconv.Itoa(f.Later))
	doc.fact("never due", strconv.Itoa(f.Never))
	doc.notes(f.Notes...)
	groups := make([]review.Group, len(f.Total.Rules))
	for i, rule := range f.Total.Rules {
		groups[i] = review.Group{Name: rule.Name, Sum: review.Sum(rule.Sum)}
	}
	doc.groups("By rule", "rule", review.Sum(f.Total.Sum), groups, review.Group{})
	days := []review.Group{}
	if f.Overdue.Media > 0 {
		days = append(days, review.Group{Name: e.Lang.Say("overdue"), Sum: review.Sum(f.Overdue.Sum)})
	}
	for _, day := range f.Days {
		if day.Media > 0 {
			days = append(days, review.Group{Name: day.Date, Sum: review.Sum(day.Sum)})
		}
	}
	doc.groups("By day", "day", review.Sum(f.Total.Sum), days, review.Group{})
	return doc
}

// HistoryDocument returns a history as a document.
func HistoryDocument(e Edition, h *history.History) *Document {
	lang := e.Lang
	doc, view := newDocument(e, lang.Say("History of %s", h.Of)), View{Zone: e.Zone}
	doc.fact("next", lang.Sentence(h.Next))
	if len(h.Unread) > 0 {
		doc.fact("incomplete", strings.Join(text.First(h.Unread, "records"), "; "))
	}
	doc.notes(h.Notes...)
	s := doc.section(lang.Say("Decisions"), "at", "outcome", "media ID", "new ID", "title", "object", "rule", "reason", "run", "plan")
	if len(h.Decisions) == 0 {
		s.Text = lang.Say("No decision to delete it is known.")
	}
	for _, d := range h.Decisions {
		s.row(view.Time(d.At), strings.TrimSpace(lang.Say(string(d.Outcome))+" "+d.Code), d.MediaID, d.NewID, d.Title, d.Object, d.Rule, lang.Sentence(d.Reason), RunOf(lang, d), d.Plan)
	}
	return doc
}
