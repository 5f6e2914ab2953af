package trigger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/text"
)

// maxKeys bounds an object that is read by its keys: the largest, a CloudEvent, has a
// dozen.
const maxKeys = 100

var byteOrderMark = []byte("\uFEFF")

// plain returns JSON without what editors and shells put around it: a byte order mark,
// and white space.
func plain(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		return nil, errors.New("not JSON: it is UTF-16, write it as UTF-8")
	}
	return bytes.TrimSpace(bytes.TrimPrefix(data, byteOrderMark)), nil
}

// fields reads a JSON object by its exact keys; encoding/json would match them in any case.
// It refuses duplicate keys and trailing data. The values share the memory of data.
func fields(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	open, err := decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if open != json.Delim('{') {
		return nil, fmt.Errorf("a JSON object is expected, not %s", quote(data))
	}
	keys := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		value, err := next(decoder, data)
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		switch {
		case keys[key] != nil:
			return nil, fmt.Errorf("%s is set twice", text.Quote(key))
		case len(keys) == maxKeys:
			return nil, fmt.Errorf("the object has more than %d keys", maxKeys)
		}
		keys[key] = value
	}
	return keys, end(decoder)
}

// elements reads a JSON list of at most MaxNames elements, which are parts of data.
func elements(data []byte) ([]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	open, err := decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if open != json.Delim('[') {
		return nil, fmt.Errorf("a JSON list is expected, not %s", quote(data))
	}
	var list []json.RawMessage
	for decoder.More() {
		value, err := next(decoder, data)
		if err != nil {
			return nil, err
		}
		if len(list) == MaxNames {
			return nil, errTooMany
		}
		list = append(list, value)
	}
	return list, end(decoder)
}

// next passes over the next value of an object or a list and returns it. It copies
// nothing: the decoder must read data.
func next(decoder *json.Decoder, data []byte) (json.RawMessage, error) {
	start := decoder.InputOffset()
	if err := decoder.Decode(&skipped{}); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return bytes.TrimLeft(data[start:decoder.InputOffset()], " \t\r\n:,"), nil
}

// skipped is a JSON value that is passed over.
type skipped struct{}

// UnmarshalJSON does nothing.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

// end reads the end of an object or a list, and that nothing follows.
func end(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) { // More is false before a closing bracket
		return errors.New("not JSON: something follows its end")
	}
	return nil
}

// quote shows a JSON value.
func quote(value json.RawMessage) string {
	if s, err := text.OfJSON(value); err == nil {
		return text.Quote(s)
	}
	const enough = utf8.UTFMax * (text.MaxValue + 1)
	return text.Quote(string(value[:min(len(value), enough)]))
}

// problems collects what is wrong with a request.
type problems struct {
	first []string
	count int
}

func (p *problems) add(format string, args ...any) {
	if p.count++; p.count <= text.MaxListed {
		p.first = append(p.first, fmt.Sprintf(format, args...))
	}
}

// err returns an error with the first problems, or nil if there are none.
func (p *problems) err() error {
	list := strings.Join(p.first, "; ")
	switch {
	case p.count == 0:
		return nil
	case p.count > text.MaxListed:
		list = fmt.Sprintf("%d problems, the first %d: %s", p.count, text.MaxListed, list)
	}
	return errors.New(text.Bound(list))
}
