// Package plan is the canonical form of what a run would delete. A plan is named
// by the hash of its content, so a dry run and the real run over the same
// library, rules and clock have the same plan. It is pure.
package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
)

// format is the version of the form. A reader refuses others.
const format = 1

// SegmentEntries is how many entries a segment of a kept plan has at most.
const SegmentEntries = 1000

// Head is what a plan was made from.
type Head struct {
	// AsOf is the run's clock, in whole seconds.
	AsOf time.Time
	// Policy is the digest of the policy that decided.
	Policy string
	Scope  Scope
}

// Scope is what the run was asked to look at. One of its fields is set.
type Scope struct {
	MediaIDs  []string `json:"mediaIds,omitempty"`
	Objects   []string `json:"objects,omitempty"`
	Inventory []string `json:"inventory,omitempty"`
}

// Entry is one medium that is to be deleted, and why.
type Entry struct {
	MediaID   string    `json:"mediaId"`
	Rule      string    `json:"rule"`
	Reason    string    `json:"reason"`
	ExpiresAt time.Time `json:"expiresAt"`
	// State is the PublishState of the record.
	State string `json:"state"`
	// Record is the whole media record as MPS sent it: what a restore needs.
	Record json.RawMessage `json:"record"`
}

// Line returns the entry in canonical form: one line of JSON, its end included.
func (e Entry) Line() ([]byte, error) {
	record, err := canonical(e.Record)
	if err != nil {
		return nil, fmt.Errorf("plan: record of %s: %w", e.MediaID, err)
	}
	e.Record = nil
	line, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("plan: %s: %w", e.MediaID, err)
	}
	// The record is the last field, and has just been marshaled itself.
	line = bytes.TrimSuffix(line, []byte("null}"))
	return append(append(line, record...), "}\n"...), nil
}

// canonical orders the keys of a record, which the service does not promise to
// send in the same order twice. Numbers keep their text.
func canonical(record json.RawMessage) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(record))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// line returns the head in canonical form.
func (h Head) line() ([]byte, error) {
	scope := Scope{slices.Sorted(slices.Values(h.Scope.MediaIDs)), slices.Sorted(slices.Values(h.Scope.Objects)), slices.Sorted(slices.Values(h.Scope.Inventory))}
	line, err := json.Marshal(struct {
		Format int       `json:"format"`
		AsOf   time.Time `json:"asOf"`
		Policy string    `json:"policy"`
		Scope  Scope     `json:"scope"`
	}{format, h.AsOf.UTC().Truncate(time.Second), h.Policy, scope})
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return append(line, '\n'), nil
}

// Sealer finds out the ID of a plan from its head and its entries' lines, which
// come in the order of their MediaIds.
type Sealer struct{ sum hash.Hash }

// NewSealer starts with a head.
func NewSealer(h Head) (*Sealer, error) {
	line, err := h.line()
	if err != nil {
		return nil, err
	}
	s := &Sealer{sha256.New()}
	s.Add(line)
	return s, nil
}

// Add takes the next entry's line.
func (s *Sealer) Add(line []byte) { _, _ = s.sum.Write(line) } // a hash takes everything

// ID returns "sha256:" and the hash of all lines.
func (s *Sealer) ID() string { return "sha256:" + hex.EncodeToString(s.sum.Sum(nil)) }

// Contents is the record that completes a kept plan: it is written last, and
// names what was written before.
type Contents struct {
	ID       string          `json:"id"`
	Head     json.RawMessage `json:"head"` // the plan's first line
	Entries  int             `json:"entries"`
	Segments []string        `json:"segments"` // names of records: gzipped lines of entries
}

// NewContents starts the contents of a plan.
func NewContents(id string, h Head) (Contents, error) {
	line, err := h.line()
	return Contents{ID: id, Head: bytes.TrimSuffix(line, []byte("\n")), Segments: []string{}}, err
}

// Name returns the name of the record that completes a plan.
func Name(id string) string { return folder(id) + "plan.json" }

// SegmentName returns the name of a segment, the first of which is 1.
func SegmentName(id string, number int) string {
	return fmt.Sprintf("%s%06d.jsonl.gz", folder(id), number)
}

func folder(id string) string { return "plans/" + strings.ReplaceAll(id, ":", "-") + "/" }
