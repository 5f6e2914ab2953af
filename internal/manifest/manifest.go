// Package manifest reads lists of media: CSV and JSON Lines that people and programs
// write, and the reports of OSS Inventory. It is pure, reads as a stream, and names
// every row that it cannot read by its line.
package manifest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/media"
)

// maxLine bounds a row: an object's key has up to 1,023 bytes, and its other columns
// are not looked at.
const maxLine = 1 << 20

// Row is one row. It names a medium, or the object that it was made of.
type Row struct {
	MediaID string
	Object  media.Object
	// Modified is when the object was written, if the row says so.
	Modified time.Time
}

// RowError is a row that names nothing. Those after it are still read.
type RowError struct {
	Line int // the first is 1
	Err  error
}

func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the row.
func (e *RowError) Unwrap() error { return e.Err }

// The columns that name a medium; a row has one of them.
const (
	idColumn     = "mediaId"
	objectColumn = "object"
)

// Rows reads CSV, whose header names its columns, or JSON Lines; either may be gzipped.
// Columns and keys that are not its own are passed over. Where a row has both the ID
// counts. An error that is no *RowError ends the sequence.
func Rows(r io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		text, err := plain(r)
		if err != nil {
			yield(Row{}, err)
			return
		}
		switch first, err := firstByte(text); {
		case errors.Is(err, io.EOF):
			yield(Row{}, errors.New("it is empty: a manifest is CSV with a header, or JSON Lines"))
		case err != nil:
			yield(Row{}, err)
		case first == '{':
			jsonRows(text, yield)
		default:
			csvRows(text, yield)
		}
	}
}

// plain unzips what is gzipped, whatever its name says, and drops the mark that some
// editors put before UTF-8.
func plain(r io.Reader) (*bufio.Reader, error) {
	text := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := text.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(text)
		if err != nil {
			return nil, fmt.Errorf("unzip: %w", err)
		}
		text = bufio.NewReaderSize(unzipped, 64<<10)
	}
	if mark, _ := text.Peek(3); string(mark) == "\ufeff" {
		_, _ = text.Discard(len(mark)) // they have been read
	}
	return text, nil
}

// firstByte returns the first byte that is no space, which it leaves unread.
func firstByte(text *bufio.Reader) (byte, error) {
	for at := 1; at <= text.Size(); at++ {
		start, err := text.Peek(at)
		if len(start) < at {
			return 0, err
		}
		if c := start[at-1]; !strings.ContainsRune(" \t\r\n", rune(c)) {
			return c, nil
		}
	}
	return 0, errors.New("it starts with too much space")
}

func jsonRows(text *bufio.Reader, yield func(Row, error) bool) {
	for line := 1; ; line++ {
		one, err := readLine(text, nil)
		ended := errors.Is(err, io.EOF)
		switch {
		case err != nil && !ended:
			var tooLong *RowError
			if errors.As(err, &tooLong) {
				tooLong.Line = line
				if !yield(Row{}, tooLong) {
					return
				}
				continue
			}
			yield(Row{}, fmt.Errorf("line %d: %w", line, err))
			return
		case len(bytes.TrimSpace(one)) > 0:
			row, err := jsonRow(one)
			if err != nil {
				err = &RowError{line, err}
			}
			if !yield(row, err) {
				return
			}
		}
		if ended {
			return
		}
	}
}

// readLine appends a line, or returns a *RowError if it is too long.
func readLine(text *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := text.ReadSlice('\n')
		if len(line)+len(part) <= maxLine {
			line = append(line, part...)
		} else if line = line[:maxLine]; !errors.Is(err, bufio.ErrBufferFull) {
			return nil, &RowError{Err: fmt.Errorf("it has more than %d bytes", maxLine)}
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func jsonRow(line []byte) (Row, error) {
	if !utf8.Valid(line) {
		return Row{}, errors.New("not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return Row{}, errors.New("not a JSON object")
	}
	values := map[string]string{}
	for decoder.More() { // a struct would take keys in any case, and the last of two
		name, err := decoder.Token()
		var value json.RawMessage
		if err == nil {
			err = decoder.Decode(&value)
		}
		if err != nil {
			return Row{}, fmt.Errorf("not a JSON object: %w", err)
		}
		key, _ := name.(string)
		if key != idColumn && key != objectColumn {
			continue
		}
		var text *string
		if _, twice := values[key]; twice {
			return Row{}, fmt.Errorf("%s is set twice", key)
		}
		if err := json.Unmarshal(value, &text); err != nil {
			return Row{}, fmt.Errorf("%s is not a text", key)
		}
		if values[key] = ""; text != nil {
			values[key] = *text
		}
		// Half of a character that takes two escapes is replaced.
		if strings.ContainsRune(values[key], utf8.RuneError) && !bytes.ContainsRune(value, utf8.RuneError) {
			return Row{}, fmt.Errorf("%s holds an escape that is no character", key)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return Row{}, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Row{}, errors.New("something follows the JSON object")
	}
	return rowOf(values[idColumn], values[objectColumn])
}

// rowOf checks what a row names.
func rowOf(id, object string) (row Row, err error) {
	switch {
	case id != "":
		return Row{MediaID: id}, media.CheckID(id)
	case object != "":
		row.Object, err = media.ParseObject(object)
		return row, err
	}
	return row, fmt.Errorf("neither %s nor %s says anything", idColumn, objectColumn)
}

func csvRows(text *bufio.Reader, yield func(Row, error) bool) {
	var header []string
	var idAt, objectAt int
	for r, err := range records(text, false) {
		if header == nil {
			if err == nil {
				header = make([]string, len(r.fields))
				for i, name := range r.fields {
					header[i] = strings.TrimSpace(name)
				}
				idAt, objectAt, err = columns(header)
			} else {
				err = fmt.Errorf("read the header: %w", err)
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			continue
		}
		var row Row
		if err == nil {
			if len(r.fields) != len(header) {
				err = fmt.Errorf("%d columns, the header has %d", len(r.fields), len(header))
			} else {
				row, err = rowOf(at(r.fields, idAt), at(r.fields, objectAt))
			}
			if err != nil {
				err = &RowError{r.line, err}
			}
		}
		if !yield(row, err) {
			return
		}
	}
}

func at(fields []string, i int) string {
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(fields[i])
}

// columns finds the columns that name media; -1 for none.
func columns(header []string) (id, object int, err error) {
	for _, name := range []string{idColumn, objectColumn} {
		if first := slices.Index(header, name); first >= 0 && slices.Contains(header[first+1:], name) {
			return 0, 0, fmt.Errorf("line 1: the header has %s twice", name)
		}
	}
	id, object = slices.Index(header, idColumn), slices.Index(header, objectColumn)
	if id < 0 && object < 0 {
		return 0, 0, fmt.Errorf("line 1: the header has neither %s nor %s: it is %q", idColumn, objectColumn, shorten(strings.Join(header, ",")))
	}
	return id, object, nil
}

func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
