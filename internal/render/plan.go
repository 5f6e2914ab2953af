package render

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Plan is a plan to be written. Items yields its media from the start each time. Report is of the run that made it,
// or nil.
type Plan struct {
	Contents plan.Contents
	Items    iter.Seq2[review.Item, error]
	Zone     *time.Location
	Report   *report.Report
	// Most is the number of media that a table lists; 0 for all.
	Most int
}

func (p Plan) view() View { return View{p.Contents.Head.AsOf, p.Zone} }

// CSV writes the media of the plan with all columns. It returns the error of reading them.
func (p Plan) CSV(c *CSV) error {
	all, view := columns(), View{AsOf: p.Contents.Head.AsOf, Zone: time.UTC}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	c.Head(names...)
	for item, err := range p.Items {
		if err != nil {
			return err
		}
		cells := make([]string, len(all))
		for i := range all {
			cells[i] = all[i].exact(&item, view)
		}
		c.Row(cells...)
	}
	return c.Flush()
}

// WritePlanJSON writes a plan with its entries, which can be many: each as it is read. An error is of an entry, and the
// JSON is cut off. A reader who has gone is no error.
func WritePlanJSON(w io.Writer, contents plan.Contents, entries iter.Seq2[plan.Entry, error]) error {
	head, err := json.Marshal(contents.Head)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintf(out, `{"id":%q,"head":%s,"entries":[`, contents.ID, head)
	separator := ""
	for entry, err := range entries {
		line, lineErr := entry.Line()
		if err = errors.Join(err, lineErr); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s%s", separator, line)
		separator = ","
	}
	_, _ = out.WriteString("]}\n")
	_ = out.Flush()
	return nil
}

// The largest widths of a title and an object in a table. CSV has them whole.
const (
	maxTitle  = 32
	maxObject = 80
)

// maxGroups is the number of folders that totals list.
const maxGroups = 20

// WritePlan writes a plan for a person at a terminal: totals by rule and folder, then its media, which
// it reads twice.
func WritePlan(w io.Writer, p Plan) error {
	out := bufio.NewWriter(w)
	view, shown := p.view(), chosen("title", "object", "bytes", "created", "ageDays", "rule")
	cellsOf := func(item *review.Item) []string {
		cells := make([]string, len(shown))
		for i := range shown {
			cells[i] = text.Line(shown[i].text(item, view))
			if shown[i].right {
				cells[i] = fmt.Sprintf("%8s", cells[i])
			}
		}
		cells[0], cells[1] = fit(cells[0], maxTitle), fit(cells[1], maxObject)
		return cells
	}
	head := []string{"title", "object", "    size", "created", "     age", "rule"}
	table, totals := &grid{out: out}, review.NewTotals()
	table.measure(head)
	for item, err := range p.Items {
		if err != nil {
			return err
		}
		if totals.Add(&item); p.Most == 0 || totals.Media <= p.Most {
			table.measure(cellsOf(&item))
		}
	}
	writeTotals(out, p, totals)
	table.print(head)
	listed := 0
	for item, err := range p.Items {
		if err != nil {
			return err
		}
		if listed == p.Most && listed > 0 {
			say(out, "and %d more: a pipe and -o csv have all", totals.Media-listed)
			break
		}
		table.print(cellsOf(&item))
		listed++
	}
	return out.Flush()
}

// WriteSample writes the first media of each rule of a plan for a person, with the reasons.
func WriteSample(w io.Writer, p Plan, perRule int) error {
	out := bufio.NewWriter(w)
	t, shown := &grid{out: out}, map[string]int{}
	t.row("title", "object", "age", "rule", "reason")
	for item, err := range p.Items {
		if err != nil {
			return err
		}
		if shown[item.Rule]++; shown[item.Rule] <= perRule {
			reason := item.Reason()
			if item.Usual() { // the rule has a column of its own
				reason = "expired since " + item.ExpiresAt.Format(time.RFC3339)
			}
			t.row(fit(item.Title, maxTitle), fit(item.Object, maxObject), Age(&item, p.view()), item.Rule, reason)
		}
	}
	t.flush()
	return out.Flush()
}

func writeTotals(w io.Writer, p Plan, totals *review.Totals) {
	t := &grid{out: w}
	t.row("plan", p.Contents.ID)
	t.row("as of", p.view().Time(p.Contents.Head.AsOf))
	t.row("policy", p.Contents.Head.Policy)
	if p.Contents.Run != "" {
		t.row("applied by run", p.Contents.Run)
	}
	if p.Contents.Blocked != "" {
		t.row("blocked", p.Contents.Blocked)
	}
	t.flush()
	t = &grid{out: w, right: true}
	sum := func(name string, s review.Sum) {
		t.line("%d\t%s\t%.1f h\t  %s", s.Media, Bytes(s.Bytes), s.Hours(), name)
	}
	say(w, "")
	t.row("media", "input", "video", "")
	sum("total", totals.Sum)
	for _, rule := range totals.Rules.Largest() {
		sum("rule "+rule.Name, rule.Sum)
	}
	folders, rest := totals.Folders.First(maxGroups)
	for _, folder := range folders {
		sum(cmp.Or(folder.Name, "no object"), folder.Sum)
	}
	if rest.Media > 0 {
		sum(fmt.Sprintf("%d other folders", len(totals.Folders)-maxGroups), rest)
	}
	t.flush()
	say(w, "")
}
