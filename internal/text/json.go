package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

var (
	errNoObject = errors.New("a JSON object is expected")
	errNoList   = errors.New("a JSON list is expected")
)

// Members yields the names and values of a JSON object in their order, and a name that is
// set twice both times: encoding/json would match names in any case, and take the last.
// They share the memory of data.
func Members(data []byte) (iter.Seq2[[]byte, json.RawMessage], error) {
	data, err := within(data, '{', errNoObject)
	return func(yield func([]byte, json.RawMessage) bool) {
		var name, value []byte
		for rest := data; len(rest) > 0; {
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
	data, err := within(data, '[', errNoList)
	return func(yield func(json.RawMessage) bool) {
		var value []byte
		for rest := data; len(rest) > 0; {
			if value, rest = cutJSON(rest); !yield(value) {
				return
			}
		}
	}, err
}

// within returns the text between the brackets of a JSON value; nothing with an error.
func within(data []byte, open byte, other error) ([]byte, error) {
	if !json.Valid(data) {
		return nil, fmt.Errorf("not JSON: %w", json.Unmarshal(data, new(json.RawMessage)))
	}
	if data = bytes.TrimSpace(data); data[0] != open {
		return nil, other
	}
	return bytes.TrimSpace(data[1 : len(data)-1]), nil
}

// nameOf reads the name of a member. Nearly all have no escapes, and are quick to read.
func nameOf(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // it is valid
	return []byte(name)
}

// cutJSON cuts the first name or value off the text of some valid JSON, and the separator
// behind it.
func cutJSON(data []byte) (first, rest []byte) {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		case depth == 0 && (c == ':' || c == ','):
			return bytes.TrimSpace(data[:i]), data[i+1:]
		}
	}
	return bytes.TrimSpace(data), nil
}
