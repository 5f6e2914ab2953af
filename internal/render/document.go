package render

import (
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Edition has the language and the timezone of a document, and its deployment.
type Edition struct {
	Lang   words.Lang
	Zone   *time.Location
	Origin report.Origin
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

var documentPage = sync.OnceValue(func() *template.Template { return template.Must(template.New("document").Parse(documentHTML)) })

// Lang returns the language tag of the document.
func (doc *Document) Lang() string { return doc.lang.Tag() }

// WriteHTML writes the document.
func (doc *Document) WriteHTML(w io.Writer) error { return documentPage().Execute(w, doc) }

func newDocument(e Edition, title string) *Document {
	doc := &Document{Title: text.Line(title), lang: e.Lang}
	doc.fact("account", e.Origin.Account)
	doc.fact("region", e.Origin.Region)
	doc.fact("state store", e.Origin.State)
	return doc
}

// fact adds a fact, unless its value is empty.
func (doc *Document) fact(name, value string) {
	if value != "" {
		doc.Facts = append(doc.Facts, Fact{doc.lang.Say(name), text.Line(value)})
	}
}

// section adds a section, whose columns are named in English. A name that starts with > is that of
// numbers.
func (doc *Document) section(heading string, columns ...string) *Section {
	s := Section{Heading: heading}
	for _, name := range columns {
		name, right := strings.CutPrefix(name, ">")
		if name != "" {
			name = doc.lang.Say(name)
		}
		s.Columns = append(s.Columns, Column{name, right})
	}
	doc.Sections = append(doc.Sections, s)
	return &doc.Sections[len(doc.Sections)-1]
}

// notes adds a section of lines, unless there are none.
func (doc *Document) notes(lines ...string) {
	lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return line == "" })
	if len(lines) == 0 {
		return
	}
	s := doc.section(doc.lang.Say("Notes"))
	for _, line := range lines {
		s.row(doc.lang.Sentence(line))
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
