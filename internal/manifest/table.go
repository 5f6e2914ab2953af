package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// table reads CSV row by row.
//
// A cell that starts with a quote ends at the next quote that stands alone: two stand for
// one. Quotes elsewhere are content, as in: Display 24" wide. A row that breaks these
// rules costs no other row:
//
//   - Text behind a closing quote makes the row bad, up to its end.
//   - A quote that nothing closes makes the row bad, up to the end of its line. A lone
//     quote at the start of a cell of a later line closes nothing: it opens that cell.
//
// So no line within properly closed quotes is read as a row. Each line is scanned twice
// at most: a line that leaves a quote open ends the search of any earlier one. A row that is
// too long to be shown ends the rows if its lines were read as rows, and a quote closes behind them.
type table struct {
	*lines
	separator byte
	oneLined  bool // no cell has a line break
	blind     bool // the cells of rows are not kept

	content []byte // of all cells of the row
	ends    []int  // of each cell, in content
	problem error  // of the row
	isLong  bool   // a quote of the row may be closed behind the text shown
}

var (
	errUnclosed   = errors.New("a quote is not closed")
	errMisplaced  = errors.New("text follows a closing quote: within quotes, write two for one")
	errStrayBreak = errors.New("a line break stands outside quotes")
)

// next reads the next row that is not blank, and returns its line. A bad row is a
// *RowError; io.EOF is the end.
func (t *table) next() (line int, err error) {
	for {
		row, err := t.nextRow()
		if err != nil {
			return 0, err
		}
		line = t.taken + 1
		t.take(row) // it is still shown
		switch {
		case t.problem != nil:
			return line, &RowError{line, fmt.Errorf("%w%s: %s", t.problem, t.upTo(line), quote(bytes.TrimRight(row, "\r\n")))}
		case len(bytes.TrimSpace(t.content)) > 0:
			return line, nil
		}
	}
}

// nextRow shows the next row, which may be bad or blank, and parses it. A row that is too long is a *RowError.
func (t *table) nextRow() ([]byte, error) {
	row, err := t.row()
	if err := t.endLong(errors.Is(err, io.EOF)); err != nil {
		return nil, err
	}
	notShown := errors.Is(err, errNotShown)
	if notShown || err == nil && t.isLong {
		t.long = append(t.long, longRow{line: t.taken + 1, separator: t.separator, mark: t.mark})
	}
	if notShown {
		err = t.passLine()
	}
	return row, err
}

// skipAll takes all rows, without their cells. It returns the error that ends them; nil for the end of the text.
func (t *table) skipAll() error {
	t.blind = true
	for {
		row, err := t.nextRow()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case EndsReading(err):
			return err
		}
		t.take(row)
	}
}

// upTo says how far a bad row goes.
func (t *table) upTo(line int) string {
	if t.taken <= line {
		return ""
	}
	return fmt.Sprintf(", and the row ends on line %d", t.taken)
}

// row shows the next row, and parses it.
func (t *table) row() ([]byte, error) {
	if !t.oneLined {
		return t.lines.row(t.parse)
	}
	line, err := t.line()
	if err == nil {
		t.parse(line, true, true)
	}
	return line, err
}

func (t *table) cells() []string {
	all, start := string(t.content), 0
	cells := make([]string, len(t.ends))
	for i, end := range t.ends {
		cells[i], start = all[start:end], end
	}
	return cells
}

// fields appends the cells of the row, which are valid until the next row.
func (t *table) fields(to [][]byte) [][]byte {
	start := 0
	for _, end := range t.ends {
		to, start = append(to, t.content[start:end]), end
	}
	return to
}

// simpleRow takes the next line if each of its cells is plain or within quotes, without quotes or line breaks inside. It
// returns the cells, which are valid until the next row. Other lines are for next: line is 0 then, and io.EOF comes from there.
func (t *table) simpleRow(to [][]byte) (cells [][]byte, line int) {
	cells = to[:0]
	shown, _, err := t.show(false)
	end := bytes.IndexByte(shown, '\n')
	if err != nil || end <= 0 || t.mark != '\n' || bytes.IndexByte(shown[:end], '\r') >= 0 {
		return cells, 0
	}
	for rest := shown[:end]; ; rest = rest[1:] {
		quoted := len(rest) > 0 && rest[0] == '"'
		var length int
		if quoted {
			rest = rest[1:]
			length = bytes.IndexByte(rest, '"')
		} else if length = bytes.IndexByte(rest, t.separator); length < 0 {
			length = len(rest)
		}
		if length < 0 || !quoted && bytes.IndexByte(rest[:length], '"') >= 0 {
			return cells, 0
		}
		cells = append(cells, rest[:length])
		if rest = rest[length:]; quoted {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			break
		}
		if rest[0] != t.separator { // such as two quotes for one
			return cells, 0
		}
	}
	if len(bytes.TrimSpace(cells[0])) == 0 { // the line may be blank
		return cells, 0
	}
	t.taken++
	t.discard(shown[:end+1])
	return cells, t.taken
}

// parse parses the row at the start of the text shown, and returns its length; 0 if it
// needs more. Full says that there is no more.
func (t *table) parse(shown []byte, last, full bool) (length int) {
	t.content, t.ends, t.problem, t.isLong = t.content[:0], t.ends[:0], nil, false
	at := 0
	for {
		quoted := at < len(shown) && shown[at] == '"'
		if quoted {
			open := at
			if at = t.closing(shown, open, last); at == unsure && !full {
				return 0
			} else if at <= 0 {
				t.problem, t.isLong = errUnclosed, at == unsure && !last
				return t.restOfLine(shown, open, last)
			}
		}
		start := at
		at, length = t.plain(shown, at, last)
		if length == unsure {
			return 0
		}
		if quoted && at > start && t.problem == nil {
			t.problem = errMisplaced
		}
		t.endCell()
		if at == len(shown) || length > 0 {
			return at + length
		}
		at++ // the separator
	}
}

// keep adds text to the cell.
func (t *table) keep(some []byte) {
	if !t.blind {
		t.content = append(t.content, some...)
	}
}

func (t *table) endCell() {
	if !t.blind {
		t.ends = append(t.ends, len(t.content))
	}
}

// closing takes what stands within quotes, and returns the place behind the quote that
// closes it: 0 if none does, unsure if it may follow.
func (t *table) closing(shown []byte, open int, last bool) int {
	for at := open + 1; ; at++ {
		next := bytes.IndexByte(shown[at:], '"')
		if next < 0 {
			return unsure
		}
		t.keep(shown[at : at+next])
		at += next + 1
		switch {
		case at == len(shown) && !last:
			return unsure
		case at < len(shown) && shown[at] == '"':
			t.keep(shown[at : at+1])
		case t.opens(shown, open, at-1):
			return 0
		default:
			return at
		}
	}
}

// opens reports whether a lone quote within quotes starts a cell of a later line.
func (t *table) opens(shown []byte, open, quote int) bool {
	if end := t.restOfLine(shown, open, false); end == 0 || end > quote {
		return false
	}
	return t.borders(shown[quote-1]) && quote+1 < len(shown) && !t.borders(shown[quote+1])
}

// borders reports whether a byte may stand between cells.
func (t *table) borders(c byte) bool { return c == t.separator || c == '\r' || c == '\n' }

// plain takes what stands outside quotes, and returns the place where the cell ends, and
// the length of the line end there; 0 for a separator or the end of the text.
func (t *table) plain(shown []byte, at int, last bool) (end, length int) {
	for ; ; at++ {
		start := at
		for at < len(shown) && !t.borders(shown[at]) {
			at++
		}
		t.keep(shown[start:at])
		switch {
		case at == len(shown) && !last:
			return at, unsure
		case at == len(shown), shown[at] == t.separator:
			return at, 0
		}
		if length = t.lineEnd(shown, at, last); length != 0 {
			return at, length
		}
		t.problem = errStrayBreak
		t.keep(shown[at : at+1])
	}
}
