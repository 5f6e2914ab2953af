package trigger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	if bytes.HasPrefix(data, []byte{0x1F, 0x8B}) {
		return nil, errors.New("not JSON: it is compressed by gzip, send it uncompressed")
	}
	return bytes.TrimSpace(bytes.TrimPrefix(data, byteOrderMark)), nil
}

// fields reads a JSON object by its exact keys, and refuses a key that is set twice. The
// values share the memory of data.
func fields(data []byte) (map[string]json.RawMessage, error) { return text.Keys(data, maxKeys, nil) }

// document reads the fields of JSON as people and programs send it; see plain.
func document(data []byte) (map[string]json.RawMessage, error) {
	data, err := plain(data)
	if err != nil {
		return nil, err
	}
	return fields(data)
}

func quote(value json.RawMessage) string {
	if s, err := text.OfJSON(value); err == nil {
		return text.Quote(s)
	}
	if len(value) < 20 && !strings.ContainsRune("\"{[", rune(value[0])) {
		return string(value) // null, true, false, or a number
	}
	const enough = utf8.UTFMax * (text.MaxValue + 1)
	return text.Quote(string(value[:min(len(value), enough)]))
}

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
