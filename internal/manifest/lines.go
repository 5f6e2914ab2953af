package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxRow bounds a row: an object's key has up to 1,023 bytes, and the other columns are
// not read.
const maxRow = 1 << 20

// lines cuts text into lines.
type lines struct {
	text  *bufio.Reader // its size is the most that a row may have
	taken int           // lines
	mark  byte          // the last byte of a line end: LF, or CR in a text of CR alone
	long  []longRow     // rows that are not shown as a whole, and whose end was not taken yet
}

// openLines looks at the first line end outside quotes: it says whether lines end in LF,
// or in CR alone. CRLF ends a line in either text.
func openLines(text *bufio.Reader) *lines {
	l := &lines{text: text, mark: '\n'}
	ahead, _ := text.Peek(text.Size()) // an error comes again
	quoted := false
	for at, c := range ahead {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\n', c == '\r' && bytes.HasPrefix(ahead[at+1:], []byte{'\n'}):
			return l
		case c == '\r':
			l.mark = '\r'
			return l
		}
	}
	return l
}

// show returns some of the text ahead, or all that a row may have. Last says that the
// text ends there; the error is io.EOF if nothing is left.
func (l *lines) show(all bool) (shown []byte, last bool, err error) {
	n := max(l.text.Buffered(), 1)
	if all {
		n = l.text.Size()
	}
	shown, err = l.text.Peek(n)
	switch last = errors.Is(err, io.EOF); {
	case last && len(shown) == 0:
		return nil, true, io.EOF
	case err != nil && !last:
		return nil, false, fmt.Errorf("after line %d: %w", l.taken, err)
	}
	return shown, last, nil
}

func (l *lines) take(shown []byte) {
	l.taken += bytes.Count(shown, []byte{l.mark})
	l.discard(shown)
}

func (l *lines) discard(shown []byte) {
	for i := range l.long {
		l.long[i].take(shown)
	}
	_, _ = l.text.Discard(len(shown)) // it has been read
}

// unsure is the length of a line end that may go on behind the text shown.
const unsure = -1

// lineEnd returns the length of the line end at a place: 0 for none, or unsure.
func (l *lines) lineEnd(shown []byte, at int, last bool) int {
	switch {
	case shown[at] == '\r' && at+1 == len(shown):
		if !last {
			return unsure
		}
		return 1
	case shown[at] == '\r' && shown[at+1] == '\n':
		return 2
	case shown[at] == l.mark:
		return 1
	}
	return 0
}

// restOfLine returns where the line at a place ends, its end included; 0 if that is not
// shown.
func (l *lines) restOfLine(shown []byte, at int, last bool) int {
	for ; ; at++ {
		next := bytes.IndexAny(shown[at:], "\r\n")
		if next < 0 {
			break
		}
		at += next
		switch length := l.lineEnd(shown, at, last); {
		case length == unsure:
			return 0
		case length > 0:
			return at + length
		}
	}
	if last {
		return len(shown)
	}
	return 0
}

var errNotShown = errors.New("the row is too long to be shown")

// row shows the next row, whose length a function finds; 0 if it needs more.
func (l *lines) row(length func(shown []byte, last, full bool) int) ([]byte, error) {
	for all := false; ; all = true {
		shown, last, err := l.show(all)
		if err != nil {
			return nil, err
		}
		if n := length(shown, last, all || last); n > 0 {
			return shown[:n], nil
		}
		if all {
			return nil, errNotShown
		}
	}
}

// line shows the next line. One that is too long is taken, and its error is a *RowError.
func (l *lines) line() ([]byte, error) {
	line, err := l.row(func(shown []byte, last, _ bool) int { return l.restOfLine(shown, 0, last) })
	if errors.Is(err, errNotShown) {
		err = l.passLine()
	}
	return line, err
}

// passLine takes a line that is too long.
func (l *lines) passLine() error {
	tooLong := &RowError{l.taken + 1, fmt.Errorf("it has more than %d bytes", l.text.Size())}
	for {
		shown, last, err := l.show(true)
		if err != nil {
			return err
		}
		if end := l.restOfLine(shown, 0, last); end > 0 {
			l.take(shown[:end])
			return tooLong
		}
		l.discard(shown[:len(shown)-1]) // the last byte may be half of a CRLF
	}
}
