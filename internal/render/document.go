package render

import (
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Origin says which deployment a document is of. Empty fields are left out.
type Origin struct{ Account, Region, State string }

// Edition has the language and the timezone of a document, and its deployment.
type Edition struct {
	Lang   words.Lang
	Zone   *time.Location
	Origin Origin
}

// Document is a page of HTML that stands alone: no script, and nothing that is loaded.
type Document struct {
	Title    string
	Facts    []Fact
	Sections []Section

	lang words.Lang
}

// Fact is a named value.
type Fact struct{ Name, Value string }

// Section is a table with a heading, or a text.
type Section struct {
	Heading, Text string
	Columns       []Column
	Rows          [][]Cell
}

// Column is the head of a column.
type Column struct {
	Title string
	Right bool
}

// Cell is a cell. Bar is the length of a bar in percent.
type Cell struct {
	Text string
	Bar  int
}

//go:embed document.html
var documentHTML string

// Lang returns the language tag of the document.
func (d *Document) Lang() string { return d.lang.Tag() }

// WriteHTML writes the document.
func (d *Document) WriteHTML(w io.Writer) error {
	page, err := template.New("document").Parse(documentHTML)
	if err != nil {
		return err
	}
	return page.Execute(w, d)
}

// writer makes the parts of a document in a language.
type writer struct {
	lang words.Lang
	doc  *Document
}

func newWriter(e Edition, title string) *writer {
	w := &writer{e.Lang, &Document{Title: text.Line(title), lang: e.Lang}}
	w.fact("account", e.Origin.Account)
	w.fact("region", e.Origin.Region)
	w.fact("state store", e.Origin.State)
	return w
}

// fact adds a fact, unless its value is empty.
func (w *writer) fact(name, value string) {
	if value != "" {
		w.doc.Facts = append(w.doc.Facts, Fact{w.lang.Say(name), text.Line(value)})
	}
}

// section adds a section, whose columns are named in English. A name that starts with > is that of
// numbers.
func (w *writer) section(heading string, columns ...string) *Section {
	s := Section{Heading: heading}
	for _, name := range columns {
		name, right := strings.CutPrefix(name, ">")
		if name != "" {
			name = w.lang.Say(name)
		}
		s.Columns = append(s.Columns, Column{name, right})
	}
	w.doc.Sections = append(w.doc.Sections, s)
	return &w.doc.Sections[len(w.doc.Sections)-1]
}

// notes adds a section of lines, unless there are none.
func (w *writer) notes(lines ...string) {
	lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return line == "" })
	if len(lines) == 0 {
		return
	}
	s := w.section(w.lang.Say("Notes"))
	for _, line := range lines {
		s.row(w.lang.Sentence(line))
	}
}

// row adds a row of foreign texts.
func (s *Section) row(cells ...string) {
	row := make([]Cell, len(cells))
	for i, cell := range cells {
		row[i].Text = text.Line(cell)
	}
	s.Rows = append(s.Rows, row)
}

// bar adds a bar to the last row: a part of the largest value.
func (s *Section) bar(value, most int) {
	last := &s.Rows[len(s.Rows)-1]
	*last = append(*last, Cell{Bar: max(1, value*100/max(most, 1))})
}
