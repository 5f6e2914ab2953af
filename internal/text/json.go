package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

var (
	// ErrNoObject says that a JSON value is something else than an object.
	ErrNoObject = errors.New("a JSON object is expected")
	errNoList   = errors.New("a JSON list is expected")
)

// Members yields the names and values of a JSON object in their order, and a name that is
// set twice both times: encoding/json would match names in any case, and take the last.
// They share the memory of data.
func Members(data []byte) (iter.Seq2[[]byte, json.RawMessage], error) {
	first, rest, err := within(data, '{', ErrNoObject)
	return func(yield func([]byte, json.RawMessage) bool) {
		for i := 0; i < len(first); i += 2 {
			if !yield(nameOf(first[i].of(data)), first[i+1].of(data)) {
				return
			}
		}
		var name, value []byte
		for rest := rest; len(rest) > 0; {
			name, rest = cutJSON(rest)
			value, rest = cutJSON(rest)
			if !yield(nameOf(name), value) {
				return
			}
		}
	}, err
}

// Elements yields the elements of a JSON list, which share the memory of data.
func Elements(data []byte) (iter.Seq[json.RawMessage], error) {
	first, rest, err := within(data, '[', errNoList)
	return func(yield func(json.RawMessage) bool) {
		for _, s := range first {
			if !yield(s.of(data)) {
				return
			}
		}
		var value []byte
		for rest := rest; len(rest) > 0; {
			if value, rest = cutJSON(rest); !yield(value) {
				return
			}
		}
	}, err
}

// maxSpans is the number of names and values that within notes: a media record has some 20 members. It is even.
const maxSpans = 48

// within returns the places of the first names and values of a JSON object or list, and the text of the
// others, without its bracket; nothing with an error.
func within(data []byte, open byte, other error) (first []span, rest []byte, err error) {
	start := skipSpace(data, 0)
	isOpen := start < len(data) && data[start] == open
	var end int
	if isOpen {
		first = make([]span, 0, min(maxSpans, 2+len(data)/32*2))
		end = skipMembers(data, start, 1, &first)
	} else {
		end = skipValue(data, start, 0)
	}
	switch {
	case end < 0 || skipSpace(data, end) != len(data):
		return nil, nil, notJSON(data)
	case !isOpen:
		return nil, nil, other
	case len(first) > 0:
		if at := skipSpace(data, first[len(first)-1].end); data[at] == ',' {
			rest = data[at+1 : end-1]
		}
	}
	return first, rest, nil
}

func notJSON(data []byte) error {
	return fmt.Errorf("not JSON: %w", json.Unmarshal(data, new(json.RawMessage)))
}

// nameOf reads the name of a member. Nearly all have no escapes, and are quick to read.
func nameOf(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	return []byte(decoded(quoted))
}

// cutJSON cuts the first name or value off the text of some valid JSON, and the separator
// behind it.
func cutJSON(data []byte) (first, rest []byte) {
	start := skipSpace(data, 0)
	end := skipValue(data, start, 0)
	return data[start:end], data[min(skipSpace(data, end)+1, len(data)):]
}
