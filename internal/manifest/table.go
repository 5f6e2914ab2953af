package manifest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// maxLines bounds a record that has several lines.
const maxLines = 64 << 10

// table reads CSV record by record. A quote that is not closed would make one record of
// all that follows: the table takes it for a mistake in the line where it opens, and goes
// on with the next line.
type table struct {
	text   *bufio.Reader
	number int    // of the last line that was read
	back   []byte // lines that are to be read again
	long   *RowError
	lines  []byte // of the record, where it has several

	// columns is how many a record has to have, 0 for any, and known what says so.
	columns int
	known   string

	one    *bytes.Reader // the record that the reader is handed
	reader *csv.Reader
}

func newTable(text *bufio.Reader) *table {
	t := &table{text: text}
	t.begin()
	return t
}

// begin makes a reader that has read nothing.
func (t *table) begin() {
	t.one = bytes.NewReader(nil)
	t.reader = csv.NewReader(t.one)
	t.reader.FieldsPerRecord, t.reader.ReuseRecord = -1, true
}

// record is one record, and the line on which it starts. Its fields last until the next.
type record struct {
	fields []string
	line   int
}

// records yields the records that have not been read yet: a *RowError for one that is
// none. Any other error ends it.
func (t *table) records() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		for {
			r, err := t.read()
			var rowErr *RowError
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.As(err, &rowErr):
				yield(record{}, fmt.Errorf("after line %d: %w", t.number, err))
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// read returns the next record. A *RowError is one that is none, and io.EOF the end.
func (t *table) read() (record, error) {
	for {
		line, err := t.line()
		if err != nil {
			return record{}, err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			continue
		}
		start, first := t.number, len(line)
		if !closed(line) {
			if line, err = t.rest(line); err != nil {
				return record{}, err
			}
		}
		fields, err := t.parse(line)
		if err == nil && t.columns > 0 && len(fields) != t.columns {
			err = fmt.Errorf("%d columns, %s has %d", len(fields), t.known, t.columns)
		}
		if err != nil {
			t.again(line[first:], start)
			return record{}, &RowError{start, err}
		}
		return record{fields, start}, nil
	}
}

// closed reports whether all quotes are: within quotes they come in pairs.
func closed(text []byte) bool { return bytes.Count(text, []byte{'"'})%2 == 0 }

// rest returns a record whose first line leaves a quote open.
func (t *table) rest(line []byte) ([]byte, error) {
	start, first := t.number, len(line)
	t.lines = append(t.lines[:0], line...)
	for {
		next, err := t.line()
		var long *RowError
		switch {
		case errors.As(err, &long):
			t.long = long // it is told after the lines before it
			fallthrough
		case errors.Is(err, io.EOF), err == nil && len(t.lines)+len(next) > maxLines:
			t.lines = append(t.lines, next...)
			t.again(t.lines[first:], start)
			return nil, &RowError{start, errors.New("a quote is not closed")}
		case err != nil:
			return nil, err
		}
		if t.lines = append(t.lines, next...); !closed(next) { // then the whole is
			return t.lines, nil
		}
	}
}

// again has lines read again that come after another one.
func (t *table) again(lines []byte, after int) {
	if len(lines) > 0 {
		t.back = slices.Concat(lines, t.back)
	}
	t.number = after
}

// line returns the next line, its end included. It lasts until the next is read. A
// *RowError is one that is too long.
func (t *table) line() ([]byte, error) {
	if len(t.back) > 0 {
		end := bytes.IndexByte(t.back, '\n') + 1
		if end == 0 {
			end = len(t.back)
		}
		line := t.back[:end]
		t.back = t.back[end:]
		t.number++
		return line, nil
	}
	if long := t.long; long != nil {
		t.long = nil
		t.number++
		return nil, long
	}
	line, err := t.text.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = slices.Clone(line)
		var more []byte
		more, err = readLine(t.text)
		line = append(line, more...)
		if err == nil && len(line) > maxLine {
			err = errLong()
		}
	}
	t.number++
	var long *RowError
	switch {
	case errors.As(err, &long):
		long.Line = t.number
		return nil, long
	case errors.Is(err, io.EOF) && len(line) > 0:
		return line, nil
	}
	return line, err
}

// parse returns the fields of a record.
func (t *table) parse(text []byte) ([]string, error) {
	t.one.Reset(text)
	fields, err := t.reader.Read()
	var malformed *csv.ParseError
	switch {
	case errors.As(err, &malformed):
		err = malformed.Err
	case err == nil && t.one.Len() == 0:
		return fields, nil
	case err == nil:
		err = csv.ErrQuote
	}
	t.begin() // it may have kept something
	return nil, err
}
