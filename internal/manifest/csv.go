package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
)

// quote quotes a value of a list. The query of a URL may be a signature.
func quote(value []byte) string {
	if address, _, found := bytes.Cut(value, []byte{'?'}); found && bytes.Contains(address, []byte("://")) {
		return text.Quote(string(address) + "?…")
	}
	return text.Quote(string(value))
}

func csvRows(t *table, yield func(Row, error) bool) {
	header, err := readHeader(t)
	if err != nil {
		yield(Row{}, err)
		return
	}
	for {
		line, err := t.next()
		if errors.Is(err, io.EOF) {
			return
		}
		var row Row
		if err == nil {
			row, err = header.row(t, line)
		}
		if !yield(row, err) || EndsReading(err) {
			return
		}
	}
}

// header says where a row of CSV has its names; -1 for nowhere. Empty cells at its end
// are no columns.
type header struct{ id, object, columns int }

// readHeader reads the first row of CSV, and finds out what separates its cells. A line
// such as sep=; before it says so to Excel.
func readHeader(t *table) (header, error) {
	separators := []byte(",;\t")
	for {
		line, err := t.line()
		if errors.Is(err, io.EOF) {
			return header{}, errors.New("it has no header")
		}
		if err != nil {
			return header{}, ofHeader(err)
		}
		hint, isHint := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("sep="))
		isHint = isHint && len(hint) == 1 && bytes.Contains(separators, hint)
		if isHint {
			separators = bytes.Clone(hint)
		} else if len(bytes.TrimSpace(line)) > 0 {
			break
		}
		t.take(line)
	}
	var problem error
	for _, t.separator = range separators {
		row, err := t.row()
		if err != nil {
			return header{}, ofHeader(err)
		}
		var h header
		if err = t.problem; err == nil {
			h, err = columns(t.cells())
		}
		if err == nil {
			t.take(row)
			return h, nil
		}
		if problem == nil {
			problem = fmt.Errorf("line %d: %w: it is %s", t.taken+1, err, quote(bytes.TrimRight(row, "\r\n")))
		}
	}
	return header{}, problem
}

// ofHeader returns the error of a header. It is of no single row: nothing can be read without a header.
func ofHeader(err error) error {
	if row, ok := errors.AsType[*RowError](err); ok {
		err = fmt.Errorf("line %d: %w", row.Line, row.Err)
	}
	return fmt.Errorf("read the header: %w", err)
}

func columns(names []string) (header, error) {
	h := header{id: -1, object: -1}
	for i, name := range names {
		if strings.TrimSpace(name) != "" {
			h.columns = i + 1
		}
		at := &h.id
		switch column(name) {
		case "":
			continue
		case objectColumn:
			at = &h.object
		}
		if *at >= 0 {
			return h, fmt.Errorf("the header has %s twice", column(name))
		}
		*at = i
	}
	if h.id < 0 && h.object < 0 {
		return h, fmt.Errorf("the header has neither %s nor %s", idColumn, objectColumn)
	}
	return h, nil
}

// row returns what a row of the table names. Empty cells behind its columns do not count.
func (h header) row(t *table, line int) (row Row, err error) {
	cells := t.cells()
	for len(cells) > h.columns && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	whole := strings.Join(cells, string(rune(t.separator)))
	if len(cells) != h.columns {
		err = fmt.Errorf("%d columns, the header has %d: %s", len(cells), h.columns, quote([]byte(whole)))
	} else {
		row, err = rowOf(at(cells, h.id), at(cells, h.object), []byte(whole))
	}
	if err != nil {
		err = &RowError{line, err}
	}
	return row, err
}

func at(cells []string, i int) string {
	if i < 0 {
		return ""
	}
	return cells[i]
}
