package mps

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Found is the answer to a look-up.
type Found struct {
	// Media has each ID once. A medium is in doubt if the answer contradicts itself.
	Media []media.Medium
	// Missing holds the IDs or URLs without a medium, according to MPS. A name in neither list was
	// not answered.
	Missing []string
}

// settle parses the records of an answer, and marks contradictions between records and with missing. It
// ignores a record that is not a JSON object.
func settle(records []json.RawMessage, missing []string) Found {
	found := Found{Media: slices.Grow([]media.Medium(nil), len(records))}
	place := map[string]int{}
	for _, record := range records {
		if len(record) > maxRecord {
			continue // not answered
		}
		medium, err := media.Parse(record)
		if err != nil {
			continue
		}
		at, again := place[medium.ID]
		switch {
		case media.CheckID(medium.ID) != nil || !again:
			place[medium.ID] = len(found.Media)
			found.Media = append(found.Media, medium)
		case !bytes.Equal(found.Media[at].Record, record):
			doubt(&found.Media[at], "MPS returned it twice with different records")
		}
	}
	objects := map[media.Object]bool{}
	for _, name := range missing {
		object, err := media.ParseURL(name)
		if err == nil {
			objects[object] = true
		}
		if at, both := place[name]; both {
			contradict(&found.Media[at])
			continue
		}
		found.Missing = append(found.Missing, name)
	}
	for i := range found.Media {
		if objects[found.Media[i].Object] {
			contradict(&found.Media[i])
		}
	}
	return found
}

// contradict puts a medium in doubt that an answer returned and listed as missing. Both are true for
// a deleted medium.
func contradict(m *media.Medium) {
	if m.State != media.StateDeleted {
		doubt(m, "MPS returned it and said that it does not exist")
	}
}

// doubt puts a medium in doubt, and clears its state.
func doubt(m *media.Medium, why string) {
	m.State, m.Doubt = "", cmp.Or(m.Doubt, why)
}

// Bounds of an answer to a look-up of MaxBatch media. Usual answers are far smaller.
const (
	maxListed = 1000
	maxRecord = 256 << 10 // bytes
)

var errTooMany = fmt.Errorf("more than %d entries", maxListed)

// reader reads the members of an answer, as members returns them. After an error it has read the rest.
type reader func(m map[string]json.RawMessage) error

// envelope holds the common fields of an answer. An error has a Code, a success only a RequestId.
type envelope struct{ RequestID, Code, Message string }

func (e *envelope) read(m map[string]json.RawMessage) error {
	return cmp.Or(readText(m["requestid"], &e.RequestID), readText(m["code"], &e.Code), readText(m["message"], &e.Message))
}

func readFound(m map[string]json.RawMessage) (Found, error) {
	records, err := wrapped(m["medialist"], "media")
	ids, idsErr := wrapped(m["nonexistmediaids"], "mediaid")
	urls, urlsErr := wrapped(m["nonexistfileurls"], "fileurl")
	err = cmp.Or(err, idsErr, urlsErr)
	var missing []string
	for _, name := range append(ids, urls...) {
		var one string
		err = cmp.Or(err, readText(name, &one))
		missing = append(missing, one)
	}
	return settle(records, missing), err
}

// members returns the members of a JSON object by their names in lower case. A name that stands there twice, in
// any case, is an error.
func members(data []byte) (map[string]json.RawMessage, error) {
	return text.Keys(data, maxListed, strings.ToLower)
}

// wrapped returns the elements of a list in an object. MPS omits an empty object, or sends "", [] or null.
func wrapped(value json.RawMessage, name string) (list []json.RawMessage, err error) {
	switch string(value) {
	case "", `""`, "[]", "null":
		return nil, nil
	}
	m, err := members(value)
	if err != nil || len(m[name]) == 0 || string(m[name]) == "null" {
		return nil, err
	}
	return text.List(m[name], maxListed, errTooMany)
}

// readText reads a text. One that is missing, or null, stays as it is.
func readText(value json.RawMessage, into *string) (err error) {
	if len(value) > 0 && string(value) != "null" {
		*into, err = text.OfJSON(value)
	}
	return err
}
