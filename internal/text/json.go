package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// Members yields the names and values of a JSON object in their order, and a name that is
// set twice both times: encoding/json would match names in any case, and take the last.
// The values share the memory of data.
func Members(data []byte) (iter.Seq2[string, json.RawMessage], error) {
	data, err := within(data, '{', errors.New("a JSON object is expected"))
	if err != nil {
		return nil, err
	}
	return func(yield func(string, json.RawMessage) bool) {
		var name, value []byte
		for rest := data; len(rest) > 0; {
			name, rest = cutJSON(rest)
			value, rest = cutJSON(rest)
			if !yield(nameOf(name), value) {
				return
			}
		}
	}, nil
}

// Elements yields the elements of a JSON list, which share the memory of data.
func Elements(data []byte) (iter.Seq[json.RawMessage], error) {
	data, err := within(data, '[', errors.New("a JSON list is expected"))
	if err != nil {
		return nil, err
	}
	return func(yield func(json.RawMessage) bool) {
		var value []byte
		for rest := data; len(rest) > 0; {
			if value, rest = cutJSON(rest); !yield(value) {
				return
			}
		}
	}, nil
}

// within returns the text between the brackets of a JSON value.
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
func nameOf(quoted []byte) (name string) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	_ = json.Unmarshal(quoted, &name) // it is valid
	return name
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
