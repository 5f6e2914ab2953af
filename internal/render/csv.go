package render

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
)

// CSV writes rows of CSV.
type CSV struct {
	out   *csv.Writer
	excel bool
	names []string // of the columns
}

// NewCSV returns a writer. For Excel the file starts with a byte order mark, and cells that a spreadsheet
// would take for a formula are made text. It has no line "sep=,": Excel would ignore the byte order mark.
func NewCSV(w io.Writer, excel bool) *CSV {
	if excel {
		_, _ = io.WriteString(w, "\ufeff") // the next write fails too
	}
	return &CSV{out: csv.NewWriter(w), excel: excel}
}

// Head writes the names of the columns.
func (c *CSV) Head(names ...string) {
	c.names = names
	_ = c.out.Write(names) // Flush returns the error
}

// Row writes a row.
func (c *CSV) Row(cells ...string) {
	for i, cell := range cells {
		switch name := c.names[i]; {
		case !c.excel, name == "mediaId", name == "newId": // an ID can start with -, and its letters call no function
		case name == "object": // an object is read back as it is
			cells[i] = asText(cell)
		default:
			cells[i] = textOf(cell)
		}
	}
	_ = c.out.Write(cells) // Flush returns the error
}

// parts finds the parts of a cell. Where the list separator is a semicolon, Excel divides a double-clicked file at each
// semicolon and line break, whatever its quotes say.
var parts = regexp.MustCompile(`[^;\r\n]+`)

// textOf makes a cell and every part of it text.
func textOf(cell string) string { return asText(parts.ReplaceAllStringFunc(cell, asText)) }

func asText(cell string) string {
	if isFormula(cell) {
		return "'" + cell
	}
	return cell
}

// Flush writes what is buffered, and returns the error of any of the writes.
func (c *CSV) Flush() error {
	c.out.Flush()
	return c.out.Error()
}

// isFormula reports whether a spreadsheet may take a cell for a formula. Excel takes the wide signs of
// Chinese and Japanese keyboards too. Source: OWASP, "CSV Injection".
func isFormula(cell string) bool {
	start := strings.TrimLeft(cell, " \u00a0\u3000\ufeff")
	return start != "" && strings.ContainsRune("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20", []rune(start)[0])
}
