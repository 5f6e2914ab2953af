// Package manifest reads lists of media: CSV and JSON Lines that people and programs
// write, and the reports of OSS Inventory. It is pure, reads as a stream, and names
// every row that it cannot read by its line.
package manifest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Row is one row. It names a medium, or the object that it was made of. A row with both names the medium: the caller
// checks that the medium is of the object.
type Row struct {
	MediaID string
	Object  media.Object
	// Modified is when the object was written, in seconds since 1970; 0 if the row does not say so.
	Modified int64
}

// RowError is a row that names nothing. Those after it are still read.
type RowError struct {
	Line int // the first is 1
	Err  error
}

func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the row.
func (e *RowError) Unwrap() error { return e.Err }

// The columns and keys that name a medium. Their case does not matter, and media_id is
// the first of them, too.
const (
	idColumn     = "mediaId"
	objectColumn = "object"
)

// column returns the column that a header or a key means, or nothing.
func column(name string) string {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "mediaid", "media_id":
		return idColumn
	case "object":
		return objectColumn
	}
	return ""
}

// Verify reads a list to its end, and says why it must not be used if it is not whole. Its gzip may have another checksum or
// length, its UTF-16 may be cut off, or its stream breaks. A row of CSV may have lines that could be taken for rows. Rows says
// what is wrong with a header.
func Verify(r io.Reader) error { return verify(r, maxRow) }

func verify(r io.Reader, mostOfRow int) error {
	plain, err := decode(r, mostOfRow)
	if err != nil {
		return err
	}
	if first, err := start(plain); err == nil && first != '{' {
		t := &table{lines: openLines(plain)}
		if _, err := readHeader(t); err == nil {
			if err := t.skipAll(); err != nil {
				return err
			}
		}
	}
	_, err = io.Copy(io.Discard, plain)
	return err
}

// Rows reads CSV, whose header names its columns, or JSON Lines; either may be gzipped,
// and UTF-16 with a byte order mark. Other columns and keys are passed over. The values are
// taken byte for byte. Where a row has both names, the ID counts. An error that is no
// *RowError ends the sequence: rows before it are of a list that Verify refuses.
func Rows(r io.Reader) iter.Seq2[Row, error] { return rows(r, maxRow) }

func rows(r io.Reader, mostOfRow int) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		plain, err := decode(r, mostOfRow)
		if err != nil {
			yield(Row{}, err)
			return
		}
		first, err := start(plain)
		switch {
		case errors.Is(err, io.EOF):
			yield(Row{}, errors.New("it is empty: a manifest is CSV with a header, or JSON Lines"))
		case err != nil:
			yield(Row{}, err)
		case first == '{':
			jsonRows(openLines(plain), yield)
		default:
			csvRows(&table{lines: openLines(plain)}, yield)
		}
	}
}

// start returns the first byte that is no space, which it leaves unread. It refuses what
// is no list.
func start(plain *bufio.Reader) (byte, error) {
	head, err := plain.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("after line 0: %w", err)
	}
	rest := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(rest) > 0:
		return rest[0], refuse(rest)
	case err == nil:
		return 0, errors.New("it starts with too much space")
	}
	return 0, io.EOF
}

func jsonRows(l *lines, yield func(Row, error) bool) {
	for {
		line, err := l.line()
		if errors.Is(err, io.EOF) {
			return
		}
		var row Row
		if err == nil {
			if len(bytes.TrimSpace(line)) == 0 {
				l.take(line)
				continue
			}
			if row, err = jsonRow(line); err != nil {
				err = &RowError{l.taken + 1, err}
			}
			l.take(line)
		}
		if !yield(row, err) || EndsReading(err) {
			return
		}
	}
}

// EndsReading reports whether an error is of more than one row: it ends the rows of a list.
func EndsReading(err error) bool {
	if err == nil { // most rows are good
		return false
	}
	_, ofRow := errors.AsType[*RowError](err)
	return !ofRow
}

func jsonRow(line []byte) (Row, error) {
	whole := bytes.TrimSpace(line)
	if !utf8.Valid(line) {
		return Row{}, fmt.Errorf("not UTF-8: %s", quote(whole))
	}
	values, err := text.Keys(line, maxColumns, func(name string) string { return strings.ToLower(column(name)) })
	if err != nil {
		return Row{}, fmt.Errorf("%w: write one JSON object a line, with each key once: it is %s", err, quote(whole))
	}
	id, idErr := textOf(values, idColumn)
	object, objectErr := textOf(values, objectColumn)
	if err = cmp.Or(idErr, objectErr); err != nil {
		return Row{}, fmt.Errorf("%w: %s", err, quote(whole))
	}
	return rowOf(id, object, whole)
}

// textOf returns the text that a key is set to; nothing for null or without the key.
func textOf(values map[string]json.RawMessage, key string) (string, error) {
	value := values[strings.ToLower(key)]
	if value == nil || string(value) == "null" {
		return "", nil
	}
	content, err := text.OfJSON(value)
	if err != nil {
		err = fmt.Errorf("%s: %w", key, err)
	}
	return content, err
}

func rowOf(id, object string, whole []byte) (row Row, err error) {
	if id == "" && object == "" {
		return row, fmt.Errorf("neither %s nor %s has a value: %s", idColumn, objectColumn, quote(whole))
	}
	if row.MediaID = id; id != "" {
		if err := media.CheckID(id); err != nil {
			return row, fmt.Errorf("%s %s: %w", idColumn, quote([]byte(id)), err)
		}
	}
	switch scheme, _, _ := strings.Cut(object, "://"); {
	case object == "":
	case strings.EqualFold(scheme, "http"), strings.EqualFold(scheme, "https"):
		if row.Object, err = media.ParseURL(object); err != nil {
			err = fmt.Errorf("%s: %w", quote([]byte(object)), err)
		}
	default:
		row.Object, err = media.ParseObject(object)
	}
	return row, err
}
