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

// record is one record of CSV, and the line on which it starts. Its fields last until the
// next.
type record struct {
	fields []string
	line   int
}

// table reads CSV record by record. What a quote takes in until it is closed belongs to its
// record, whatever it looks like. One that nothing closes is a mistake of the line where
// it opens, and reading goes on with the next.
type table struct {
	text     *bufio.Reader
	oneLined bool      // each line is a record
	buffer   []byte    // the line that was read last
	number   int       // of it
	back     []byte    // lines that are to be read again
	long     *RowError // what comes after these
	lines    []byte    // of the record, where it has several
	one      oneRecord
}

// records yields the records of CSV, a *RowError for each that is none. They may all be
// said to have one line: then a quote that is not closed spoils no other.
func records(text *bufio.Reader, oneLined bool) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		t := &table{text: text, oneLined: oneLined}
		for {
			r, err := t.read()
			var bad *RowError
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.As(err, &bad):
				yield(record{}, err)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func isBlank(line []byte) bool { return len(bytes.TrimRight(line, "\r\n")) == 0 }

// read returns the next record; io.EOF is the end.
func (t *table) read() (record, error) {
	for {
		line, err := t.line()
		if err != nil {
			return record{}, err
		}
		if isBlank(line) {
			continue
		}
		start := t.number
		if !t.oneLined && !closed(line) {
			if line, err = t.rest(line); err != nil {
				return record{}, err
			}
		}
		fields, err := t.one.parse(line)
		if err != nil {
			err = &RowError{start, err}
		}
		return record{fields, start}, err
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
		case errors.Is(err, io.EOF), err == nil && len(t.lines)+len(next) > maxLine:
			t.lines = append(t.lines, next...)
			t.back, t.number = slices.Concat(t.lines[first:], t.back), start
			return nil, &RowError{start, errors.New("a quote is not closed")}
		case err != nil:
			return nil, err
		}
		if t.lines = append(t.lines, next...); !closed(next) { // then the whole is
			return t.lines, nil
		}
	}
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
	line, err := readLine(t.text, t.buffer[:0])
	ended := errors.Is(err, io.EOF)
	var long *RowError
	switch {
	case errors.As(err, &long):
		t.number++
		long.Line = t.number
		return nil, long
	case ended && len(line) == 0:
		return nil, err
	case err != nil && !ended:
		return nil, fmt.Errorf("after line %d: %w", t.number, err)
	}
	t.buffer = line
	t.number++
	return line, nil
}

// oneRecord parses records one by one.
type oneRecord struct {
	text   *bytes.Reader
	reader *csv.Reader
}

// parse returns the fields of a record.
func (o *oneRecord) parse(text []byte) ([]string, error) {
	if o.reader == nil {
		o.text = bytes.NewReader(nil)
		o.reader = csv.NewReader(o.text)
		o.reader.FieldsPerRecord, o.reader.ReuseRecord = -1, true
	}
	o.text.Reset(text)
	fields, err := o.reader.Read()
	var malformed *csv.ParseError
	if errors.As(err, &malformed) {
		err = malformed.Err
	}
	if err != nil {
		o.reader = nil // it may have kept something
	}
	return fields, err
}
