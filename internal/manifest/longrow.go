package manifest

import "fmt"

// longRow follows a row of CSV that is too long to be shown, while its lines are read as rows. They are none if a
// quote closes behind them: they stand within a cell. A stray quote closes nowhere, as table says.
type longRow struct {
	line            int // its first one
	separator, mark byte

	at      place
	crossed bool // the open quote is on an earlier line
	before  byte // what stands before the latest quote within quotes
	last    byte // of the text taken
}

// place is where the text taken of a row ends.
type place byte

const (
	atCell   place = iota // a cell begins
	inPlain               // outside quotes
	inQuotes              // within quotes
	atQuote               // behind a quote within quotes: another one may follow
	atEnd                 // the row has ended, or nothing closes its quote
	atBreach              // a quote was closed, and lines before it were read as rows
)

func (r *longRow) take(text []byte) {
	for _, c := range text {
		if r.at == atEnd || r.at == atBreach {
			return
		}
		r.at = r.next(c)
		r.last = c
	}
}

func (r *longRow) next(c byte) place {
	switch {
	case r.at == inQuotes && c == '"':
		r.before = r.last
		return atQuote
	case r.at == inQuotes:
		r.crossed = r.crossed || c == r.mark
		return inQuotes
	case r.at == atQuote && c == '"':
		return inQuotes
	case r.at == atQuote && r.crossed && r.borders(r.before) && !r.borders(c): // it opens a cell of a later line
		return atEnd
	case r.at == atQuote && r.crossed:
		return atBreach
	case c == r.mark:
		return atEnd
	case c == r.separator:
		return atCell
	case r.at == atCell && c == '"':
		r.crossed = false
		return inQuotes
	}
	return inPlain
}

func (r *longRow) borders(c byte) bool { return c == r.separator || c == '\r' || c == '\n' }

// endLong forgets the long rows that have ended. It returns an error if lines of one were read as rows. isLast says
// that the text has ended.
func (l *lines) endLong(isLast bool) error {
	if len(l.long) == 0 {
		return nil
	}
	open := l.long[:0]
	for _, r := range l.long {
		switch {
		case r.at == atBreach, isLast && r.at == atQuote && r.crossed:
			return fmt.Errorf("line %d: the row has more than %d bytes, and line breaks within quotes: shorten its cells, or leave them out", r.line, l.text.Size())
		case r.at != atEnd:
			open = append(open, r)
		}
	}
	l.long = open
	return nil
}
