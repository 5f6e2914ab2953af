package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

var (
	// ErrNoObject says that a JSON value is something else than an object.
	ErrNoObject = errors.New("a JSON object is expected")
	errNoList   = errors.New("a JSON list is expected")
)

// Members calls take with the names and values of a JSON object in their order, and with a name that is
// set twice both times: encoding/json would match names in any case, and take the last. They share the memory
// of data. They can be trusted only if Members returns no error. The first error of take ends it.
func Members(data []byte, take func(name []byte, value json.RawMessage) error) error {
	s := Scan(data)
	isObject := s.Next() == '{'
	for name := range s.Members {
		if value := s.Value(); value != nil {
			if err := take(name, value); err != nil {
				return err
			}
		}
	}
	if err := s.End(); err != nil || isObject {
		return err
	}
	return ErrNoObject
}

// Keys returns the values of a JSON object by the meanings of their names, or by the names themselves if meaning is
// nil. A name without a meaning is left out. Two names of one meaning, and more than most, are an error: what was read
// by then is returned too. The values share the memory of data.
func Keys(data []byte, most int, meaning func(name string) string) (map[string]json.RawMessage, error) {
	keys := map[string]json.RawMessage{}
	err := Members(data, func(name []byte, value json.RawMessage) error {
		key, spelling := string(name), ""
		if meaning != nil {
			if key, spelling = meaning(key), ", in this case or another"; key == "" {
				return nil
			}
		}
		switch {
		case keys[key] != nil:
			return fmt.Errorf("%s is set twice%s", Quote(string(name)), spelling)
		case len(keys) == most:
			return fmt.Errorf("the object has more than %d keys", most)
		}
		keys[key] = value
		return nil
	})
	return keys, err
}

// Elements calls take with the elements of a JSON list; see Members.
func Elements(data []byte, take func(json.RawMessage) error) error {
	s := Scan(data)
	isList := s.Next() == '['
	for range s.Elements {
		if value := s.Value(); value != nil {
			if err := take(value); err != nil {
				return err
			}
		}
	}
	if err := s.End(); err != nil || isList {
		return err
	}
	return errNoList
}

// List returns the elements of a JSON list, or the error tooMany for more than most. What was read by then is returned
// too. The elements share the memory of data.
func List(data []byte, most int, tooMany error) (list []json.RawMessage, err error) {
	err = Elements(data, func(element json.RawMessage) error {
		if len(list) == most {
			return tooMany
		}
		list = append(list, element)
		return nil
	})
	return list, err
}

func notJSON(data []byte) error {
	return fmt.Errorf("not JSON: %w", json.Unmarshal(data, new(json.RawMessage)))
}

// content reads a quoted text. Nearly all have no escapes, and are quick to read.
func content(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var value string
	_ = json.Unmarshal(quoted, &value) // it is valid
	return []byte(value)
}

// JSON encodes a value without the escapes for HTML, which make it long and hard to read.
func JSON(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// OtherFormat returns the error of a record of another format than this program reads.
func OtherFormat(format, reads int) error {
	return fmt.Errorf("format %d: this program reads format %d", format, reads)
}
