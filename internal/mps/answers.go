package mps

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/media"
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
	var found Found
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

// wrapper is an object that MPS may send as "", [] or null if it is empty.
type wrapper[T any] struct{ value T }

// Bounds of an answer to a look-up of MaxBatch media. Usual answers are far smaller.
const (
	maxListed = 1000
	maxRecord = 256 << 10 // bytes
)

// list is a JSON array of at most maxListed entries.
type list[T any] []T

// UnmarshalJSON stops at the first entry beyond the limit, to save memory.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('[') {
		return errors.New("a list is expected")
	}
	for decoder.More() {
		if len(*l) == maxListed {
			return fmt.Errorf("more than %d entries", maxListed)
		}
		var entry T
		if err := decoder.Decode(&entry); err != nil {
			return err
		}
		*l = append(*l, entry)
	}
	return nil
}

func (w *wrapper[T]) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `""`, "[]", "null":
		return nil
	}
	if err := json.Unmarshal(data, &w.value); err != nil {
		return fmt.Errorf("list in an answer: %w", err)
	}
	return nil
}
