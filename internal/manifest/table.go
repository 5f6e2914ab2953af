package manifest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
)

// record is one record of CSV, and the line on which it starts. Its fields last until the
// next.
type record struct {
	fields []string
	line   int
}

// bounded reads for one row at a time, which can have many lines.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a row has more than %d bytes: perhaps a quote is not closed", maxLine)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// records yields the records of CSV, a *RowError for each that is none. What a quote takes
// in until it is closed belongs to its record, whatever it looks like: nobody can tell
// where one was to be closed that is not, and what of the text behind it is a row.
func records(text io.Reader) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		bound := &bounded{r: text}
		reader := csv.NewReader(bound)
		reader.FieldsPerRecord, reader.ReuseRecord = -1, true
		for {
			bound.left = maxLine
			fields, err := reader.Read()
			r := record{fields: fields}
			var malformed *csv.ParseError
			switch {
			case err == nil:
				r.line, _ = reader.FieldPos(0)
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &malformed):
				err = &RowError{malformed.StartLine, malformed.Err}
			default:
				yield(record{}, fmt.Errorf("after %d bytes: %w", reader.InputOffset(), err))
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// lines yields the records of CSV in which each is a line: there a quote that is not
// closed spoils no other.
func lines(text *bufio.Reader) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		one := bytes.NewReader(nil)
		reader := csv.NewReader(one)
		reader.FieldsPerRecord, reader.ReuseRecord = -1, true
		for number := 1; ; number++ {
			line, err := readLine(text)
			ended := errors.Is(err, io.EOF)
			var long *RowError
			switch {
			case errors.As(err, &long):
				long.Line = number
				if !yield(record{}, long) {
					return
				}
				continue
			case err != nil && !ended:
				yield(record{}, fmt.Errorf("after line %d: %w", number-1, err))
				return
			case len(bytes.TrimRight(line, "\r\n")) > 0:
				one.Reset(line)
				fields, err := reader.Read()
				var malformed *csv.ParseError
				if errors.As(err, &malformed) {
					err = &RowError{number, malformed.Err}
				}
				if !yield(record{fields, number}, err) {
					return
				}
			}
			if ended {
				return
			}
		}
	}
}
